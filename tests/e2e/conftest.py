"""The end-to-end runs take minutes of one core: they are started first, in the background, and their tests come last."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.local import processes
from infra.local.environment import stack_environment
from infra.local.settings import Settings
from infra.local.stack import mlflow_command
from tests.conftest import free_port

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SCENARIOS: dict[str, tuple[str, dict[str, Any]]] = {
    "smoke": ("psgpo_train", {"profile": "smoke"}),
    "again": ("psgpo_train", {"profile": "smoke"}),
    "without_prm": ("psgpo_train", {"profile": "smoke", "arms_arms": ["rl"]}),
    "refused": ("psgpo_train", {"profile": "smoke", "ppo_lerning_rate": 1}),
    "evaluate": (
        "psgpo_evaluate",
        {
            # the same model as an artifact and as a folder, beside the champion that the first run made
            "compare_models": ["{sft}", "{sft_folder}"],
            "compare_benchmarks": ["stepcode", *(["humaneval"] if DATA.is_dir() else [])],
            "benchmark_source": str(DATA),
            "benchmark_stepcode_problems": 12,
            "evaluation_problems": 8,
            "evaluation_max_new_tokens": 64,
        },
    ),
}
PATIENCE = 1500.0


class Pipeline:
    """All scenarios, one after the other, in one Airflow, store and MLflow of their own."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="psgpo-e2e-")
        self.settings = Settings(Path(self._folder.name), free_port(), free_port())
        environment = stack_environment(self.settings)
        start = processes.start
        start(
            "mlflow", [sys.executable, "-m", *mlflow_command(self.settings)], environment, self.settings.state
        )
        program = [sys.executable, str(Path(__file__).with_name("run_pipeline.py")), json.dumps(SCENARIOS)]
        self._process: subprocess.Popen[bytes] = start("pipeline", program, environment, self.settings.state)

    @property
    def log(self) -> str:
        return (self.settings.logs / "pipeline.log").read_text(errors="replace")

    def result(self, scenario: str) -> dict[str, Any]:
        """Waits for a scenario's end."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            over = self._process.poll() is not None
            for line in self.log.splitlines():
                if line.startswith(f"RESULT {scenario} "):
                    return json.loads(line.removeprefix(f"RESULT {scenario} "))
            if over:
                break
            time.sleep(1)
        pytest.fail(f"no result of {scenario}; the end of the log:\n{self.log[-5000:]}")

    def stop(self) -> None:
        processes.stop(self.settings.state, patience=2)
        self._folder.cleanup()


_started: list[Pipeline] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_is_end_to_end)


def pytest_collection_finish(session: pytest.Session) -> None:
    if any(map(_is_end_to_end, session.items)) and not session.config.option.collectonly:
        _started.append(Pipeline())


def pytest_sessionfinish() -> None:
    for pipeline in _started:
        pipeline.stop()


@pytest.fixture(scope="session")
def pipeline() -> Pipeline:
    return _started[0]


@pytest.fixture(scope="session")
def result(pipeline: Pipeline) -> Callable[[str], dict[str, Any]]:
    return pipeline.result


def _is_end_to_end(item: pytest.Item) -> bool:
    return item.get_closest_marker("e2e") is not None
