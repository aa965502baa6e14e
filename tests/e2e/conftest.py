"""One embedded stack for all tests that need Airflow's servers. Its runs take minutes: they are begun first, in the
background, and their tests come last."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.local import browser, processes
from infra.local.airflow_api import AirflowApi
from infra.local.environment import admin_password, stack_environment
from infra.local.settings import Settings
from infra.local.stack import login
from tests.conftest import free_port
from tests.dags.serving import JsonHandler, serving
from tests.e2e.form import SMALL, trigger_by_clicking
from tests.e2e.run_pipeline import outcome, wait

if TYPE_CHECKING:
    from playwright.sync_api import Page

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SCENARIOS: dict[str, tuple[str, dict[str, Any]]] = {
    "refused": ("psgpo_train", {"profile": "smoke", "ppo_lerning_rate": 1}),
    "smoke": ("psgpo_train", {"profile": "smoke"}),
    "again": ("psgpo_train", {"profile": "smoke"}),
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


class Chat(JsonHandler):
    """Takes what the stack tells of failed and late runs."""

    taken: list[dict[str, Any]]

    def do_POST(self) -> None:
        self.taken.append(self.body())
        self.answer({})


class Pipeline:
    """A stack in a state folder of its own, and the program that runs the scenarios in it."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self._chat = serving(type("Handler", (Chat,), {"taken": self.messages}))
        notices = {"NOTICE_WEBHOOK": f"http://{self._chat.__enter__()}/chat"}
        self._folder = tempfile.TemporaryDirectory(prefix="psgpo-e2e-")
        self.settings = settings = Settings(Path(self._folder.name), free_port(), free_port())
        ports = (str(settings.airflow_port), str(settings.mlflow_port))
        program = [sys.executable, "-m", "tests.e2e.run_pipeline", str(settings.state), *ports]
        environment = stack_environment(settings) | notices
        self._process: subprocess.Popen[bytes] = processes.start(
            "pipeline", [*program, json.dumps(SCENARIOS)], environment, settings.state
        )

    @property
    def log(self) -> str:
        return (self.settings.logs / "pipeline.log").read_text(errors="replace")

    def ready(self) -> None:
        self._told("READY")

    def result(self, scenario: str) -> dict[str, Any]:
        """Waits for a scenario's end."""
        return json.loads(self._told(f"RESULT {scenario} "))

    def stop(self) -> None:
        processes.stop(self.settings.state, patience=2)
        self._folder.cleanup()
        self._chat.__exit__(None, None, None)

    def _told(self, beginning: str) -> str:
        """The rest of the line with this beginning, waited for."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            over = self._process.poll() is not None
            for line in self.log.splitlines():
                if line.startswith(beginning):
                    return line.removeprefix(beginning)
            if over:
                break
            time.sleep(1)
        pytest.fail(f"no {beginning}; the end of the log:\n{self.log[-5000:]}")


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
    _started[0].ready()
    return _started[0]


@pytest.fixture(scope="session")
def settings(pipeline: Pipeline) -> Settings:
    return pipeline.settings


@pytest.fixture(scope="session")
def api(settings: Settings) -> AirflowApi:
    return login(settings)


@pytest.fixture(scope="session")
def result(pipeline: Pipeline) -> Callable[[str], dict[str, Any]]:
    return pipeline.result


@pytest.fixture(scope="session")
def page(settings: Settings) -> Iterator[Page | None]:
    """A page of a browser, logged in; None where there is no browser."""
    if browser.missing():
        yield None
        return
    with browser.opened(settings.airflow_uri, admin_password(settings)) as opened:
        yield opened


@pytest.fixture(scope="session")
def small_run(pipeline: Pipeline, page: Page | None, api: AirflowApi) -> str:
    """Id of a run without PRM that finds most of its work done; triggered by clicking, or without a browser by REST."""
    pipeline.result("again")
    if page is not None:
        return trigger_by_clicking(page, pipeline.settings, api)
    api.trigger("psgpo_train", "small", SMALL)
    return "small"


@pytest.fixture(scope="session")
def without_prm(api: AirflowApi, small_run: str) -> dict[str, Any]:
    """What came of the small run."""
    wait(api, "psgpo_train", small_run)
    return outcome(api, "psgpo_train", small_run)


def _is_end_to_end(item: pytest.Item) -> bool:
    return item.get_closest_marker("e2e") is not None
