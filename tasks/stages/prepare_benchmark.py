"""A benchmark's test problems as an artifact: from the hub, from files of one's own, or generated (StepCode).

in: configuration `benchmark`      out: problems.parquet, benchmark.json

Prepared once, a benchmark is in the store: the next evaluation finds it there and needs no network. Files of one's own are
known by their content, so that an edited file is another benchmark.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path

from tasks.benchmarks.prepared import Prepared
from tasks.benchmarks.sources import HUB, download, hub_files, local_files, require_count
from tasks.config import BenchmarkConfig
from tasks.errors import BadInput
from tasks.problems import Problem
from tasks.rows import PROBLEMS, write_rows
from tasks.stages.stage import RestrictedConfig, Stage, StageContext
from tasks.store import hash_files


def run(context: StageContext) -> Mapping[str, float]:
    settings: BenchmarkConfig = context.config.benchmark
    files = _files(settings)
    problems, window = _problems(settings, files)
    if (
        settings.source == HUB
        and settings.name != "stepcode"
        and not (settings.date_from or settings.date_to)
    ):
        require_count(len(problems), hub_files(settings), [path.name for path in files])
    if not problems:
        raise BadInput(", ".join(map(str, files)), f"hold no test problem of {settings.name}", "at least one")
    write_rows(PROBLEMS, (asdict(problem) for problem in problems), context.output / "problems.parquet")
    Prepared(
        name=settings.name,
        title=f"mbpp {settings.mbpp_set}" if settings.name == "mbpp" else settings.name,
        problems=len(problems),
        files={name: sha256 for path in files for name, sha256 in hash_files(path).items()},
        revision=hub_files(settings).revision if files and settings.source == HUB else "",
        window=window,
        examples=_examples(settings, files),
    ).write(context.output)
    return {"problems": len(problems)}


def _files(settings: BenchmarkConfig) -> list[Path]:
    if settings.name == "stepcode":
        return []
    return download(hub_files(settings)) if settings.source == HUB else local_files(settings)


def _problems(settings: BenchmarkConfig, files: list[Path]) -> tuple[list[Problem], str]:
    """The test problems, no id twice, and the window of their dates (LiveCodeBench)."""
    from tasks.benchmarks.benchmark import benchmark
    from tasks.benchmarks.livecodebench import window_of

    if settings.name == "livecodebench":
        dated = [one for path in files for one in _dated(settings, path)]
        return _distinct([problem for _, problem in dated]), window_of([day for day, _ in dated])
    if settings.name == "stepcode":
        return list(_stepcode(settings)), ""
    every = [problem for path in files for problem in benchmark(settings.name).problems(path)]
    return _distinct([problem for problem in every if problem.split == "test"]), ""


def _dated(settings: BenchmarkConfig, path: Path) -> Iterator[tuple[str, Problem]]:
    from tasks.benchmarks.livecodebench import dated_problems

    start, end = (
        date.fromisoformat(text) if text else None for text in (settings.date_from, settings.date_to)
    )
    return dated_problems(path, start, end)


def _stepcode(settings: BenchmarkConfig) -> Iterator[Problem]:
    from tasks.benchmarks import stepcode

    rows = stepcode.generate("test", settings.stepcode_seed, count=settings.stepcode_problems)
    return (Problem(**row) for row in rows)


def _distinct(problems: list[Problem]) -> list[Problem]:
    seen: set[str] = set()
    for problem in problems:
        if problem.problem_id in seen:
            raise BadInput("benchmark", f"problem {problem.problem_id!r} is there twice", "unique ids")
        seen.add(problem.problem_id)
    return problems


def _examples(settings: BenchmarkConfig, files: list[Path]) -> str:
    """MBPP's solved examples; empty where the files lack them (the docstring prompt needs none)."""
    from tasks.benchmarks.mbpp import examples

    if settings.name != "mbpp":
        return ""
    try:
        return examples(*files)
    except BadInput:
        return ""


def _own_files(config: RestrictedConfig) -> Mapping[str, str]:
    settings: BenchmarkConfig = config.benchmark
    if settings.source == HUB or settings.name == "stepcode":
        return {}
    return {name: sha256 for path in local_files(settings) for name, sha256 in hash_files(path).items()}


STAGE = Stage(
    name="prepare_benchmark",
    kind="problems",
    version=1,
    sections=("benchmark",),
    inputs={},
    run=run,
    reads=_own_files,
)
