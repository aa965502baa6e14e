"""A benchmark as an artifact: `problems.parquet` and `benchmark.json`, which says what they are and how to ask.

Problems without `benchmark.json` (a training run's own test split) are put to a model as they stand: the response goes
on from the prompt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tasks.benchmarks.benchmark import Benchmark, Protocol, benchmark
from tasks.config import EvaluationConfig
from tasks.errors import BadInput

FILE = "benchmark.json"


@dataclass(frozen=True)
class Prepared:
    """`title` is what a score is called (`mbpp sanitized`); `window` the contest dates, for LiveCodeBench; `examples` the
    few-shot preamble, for MBPP; `files` the sha256 of the files it was made of; `revision` the hub's, if from there."""

    name: str
    title: str
    problems: int
    files: Mapping[str, str]
    revision: str = ""
    window: str = ""
    examples: str = ""

    def write(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1, sort_keys=True), encoding="utf-8")


def read_prepared(folder: Path) -> Prepared | None:
    """What the problems in `folder` are; None for a training run's own."""
    path = folder / FILE
    return Prepared(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def choose_protocol(prepared: Prepared | None, settings: EvaluationConfig) -> tuple[Benchmark, Protocol]:
    """The benchmark's module and the way to ask that the settings name. Raises BadInput for one it does not have."""
    bench = benchmark(prepared.name if prepared else "stepcode")
    name: Any = settings.style
    if bench.NAME == "mbpp" and settings.style == "base":
        name = settings.mbpp_prompt
        if name == "three_shot":
            return bench, _three_shot(prepared)
    if name not in bench.PROTOCOLS:
        raise BadInput(
            "evaluation.style", f"{bench.NAME} has no protocol {name!r}", ", ".join(bench.PROTOCOLS)
        )
    return bench, bench.PROTOCOLS[name]


def _three_shot(prepared: Prepared | None) -> Protocol:
    from tasks.benchmarks.mbpp import THREE_SHOT

    if prepared is None or not prepared.examples:
        raise BadInput(
            "evaluation.mbpp_prompt", "this MBPP file lacks problems 2, 3 and 4, the examples", "docstring"
        )
    return replace(THREE_SHOT, preamble=prepared.examples)
