"""A real micro run, built once per session, stage by stage, as the tests of single stages need it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tasks.profiles import load_config
from tasks.stages.stage import Job, run_stage

MICRO = (
    "data.train_problems=60",
    "data.validation_problems=6",
    "data.test_problems=6",
    "data.steps_max=2",
    "data.wrong_line_min=0.1",
    "data.wrong_line_max=0.3",
    "model.tiny.width=32",
    "model.tiny.vocabulary=300",
    "sft.epochs=2",
    "ppo.steps=2",
    "ppo.batch_size=8",
    "ppo.max_new_tokens=48",
    "ppo.difficulty_max=2",
    "baseline.steps=2",
    "baseline.difficulty_max=2",
    "sample.problems=6",
    "sample.difficulty_max=2",
    "labels.completions=2",
    "prm.epochs=1",
    "evaluation.problems=4",
    "evaluation.max_new_tokens=48",
)


class MicroRun:
    """`run.stage(name, key="value", ...)` runs one stage on the micro profile and returns its envelope."""

    def __init__(self, folder: Path) -> None:
        self.store = f"file://{folder}/store"

    def stage(self, name: str, *overrides: str, **inputs: Any) -> dict[str, Any]:
        given = {key: (value,) if isinstance(value, str) else tuple(value) for key, value in inputs.items()}
        stage = importlib.import_module(f"tasks.stages.{name}").STAGE
        return run_stage(stage, Job(load_config("smoke", [*MICRO, *overrides]), given, self.store))

    @cache
    def problems(self) -> str:
        return str(self.stage("prepare_problems")["artifact"])

    @cache
    def model(self) -> str:
        return str(self.stage("prepare_model", problems=self.problems())["artifact"])

    @cache
    def sft(self) -> str:
        return str(self.stage("sft", problems=self.problems(), model=self.model())["artifact"])

    @cache
    def baseline(self) -> str:
        inputs = {"problems": self.problems(), "sft": self.sft()}
        return str(self.stage("train_policy", "cell.arm=baseline", **inputs)["artifact"])

    @cache
    def responses(self) -> str:
        inputs = {"problems": self.problems(), "policy": self.baseline()}
        return str(self.stage("sample_responses", "cell.checkpoint=1", **inputs)["artifact"])

    @cache
    def scores(self) -> str:
        inputs = {"problems": self.problems(), "policy": self.sft()}
        return str(self.stage("evaluate", "cell.arm=sft", **inputs)["artifact"])


@pytest.fixture(scope="session")
def micro(tmp_path_factory: pytest.TempPathFactory) -> MicroRun:
    return MicroRun(tmp_path_factory.mktemp("micro"))


@pytest.fixture
def files() -> Callable[[str], Path]:
    """Local folder of an artifact address of the local store."""
    return lambda uri: Path(uri.removeprefix("file://"))


@pytest.fixture(autouse=True)
def _default_signals() -> Iterator[None]:
    """Stages listen for SIGTERM; a test process should not keep that."""
    import signal

    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)
