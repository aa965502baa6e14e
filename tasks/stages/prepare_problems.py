"""Problems and demonstrations: generated (StepCode) or imported from a file.

in: configuration `data`      out: problems.parquet, demonstrations.parquet; quarantine.json where problems were put aside

StepCode demonstrations are imperfect on purpose (each operation has its own wrong-line rate), so that the SFT policy
fails at single lines and reinforcement learning has something to mend. A problems file's demonstrations are its
reference solutions, which are run first: poisoned problems (`tasks/benchmarks/quarantine.py`) are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks.benchmarks import stepcode
from tasks.benchmarks.importers import load_problems
from tasks.benchmarks.quarantine import Aside, check_references, most_allowed, write_quarantine
from tasks.config import DataConfig
from tasks.errors import BadInput, TryAgain
from tasks.problems import problems_from_rows
from tasks.rows import DEMONSTRATIONS, PROBLEMS, SPLITS, write_rows
from tasks.stages.stage import RestrictedConfig, Stage, StageContext
from tasks.store import hash_files

ASIDE_NAMED = 10


def run(context: StageContext) -> Mapping[str, float]:
    data: DataConfig = context.config.data
    generated = data.source == "stepcode"
    rows = list(_stepcode(data) if generated else load_problems(Path(data.source)))
    aside = [] if generated else _put_aside(rows, context)
    left_out = {one.problem_id for one in aside}
    rows = [row for row in rows if row["problem_id"] not in left_out]
    demonstrations = list(_demonstrations(data, [row for row in rows if row["split"] == "train"]))
    write_rows(PROBLEMS, rows, context.output / "problems.parquet")
    write_rows(DEMONSTRATIONS, demonstrations, context.output / "demonstrations.parquet")
    write_quarantine(aside, context.output)
    counts = {split: sum(row["split"] == split for row in rows) for split in SPLITS}
    counts = {split: count for split, count in counts.items() if count or split != "confirmation"}
    context.progress(len(rows), len(rows), str(counts))
    told = {"demonstrations": len(demonstrations), **counts}
    return told if generated else {**told, "quarantined": len(aside)}


def _put_aside(rows: list[dict[str, Any]], context: StageContext) -> list[Aside]:
    """The poisoned problems. Raises BadInput, naming them, when there are more than may be, and TryAgain when so many have
    no verdict at all: then the sandbox is ill."""
    from tasks.stages.sandboxes import open_sandbox

    problems = problems_from_rows(rows)
    with open_sandbox(context.config.sandbox) as sandbox:
        checked = check_references(problems, sandbox)
    reasons = checked.poisoned
    most = most_allowed(context.config.validation.quarantine, len(rows))
    named = "; ".join(list(reasons.values())[:ASIDE_NAMED])
    if checked.no_verdict > most:
        raise TryAgain(
            f"the sandbox gave no verdict on {checked.no_verdict} references of {len(rows)}: {named}"
        )
    if len(reasons) > most:
        raise BadInput(
            context.config.data.source,
            f"{len(reasons)} of {len(rows)} problems are poisoned: {named}",
            f"at most {most}; mend or remove them, or raise validation.quarantine",
        )
    if reasons:
        print(f"quarantine: {len(reasons)} of {len(rows)} problems put aside: {named}", file=sys.stderr)
    return [
        Aside(problem.problem_id, problem.split, reasons[problem.problem_id])
        for problem in problems
        if problem.problem_id in reasons
    ]


def _stepcode(data: DataConfig) -> Iterator[dict[str, Any]]:
    steps = (data.steps_min, data.steps_max)
    counts = {
        "train": data.train_problems,
        "validation": data.validation_problems,
        "test": data.test_problems,
        "confirmation": data.confirmation_problems,
    }
    domain, reserve = stepcode.DOMAINS[data.domain], data.confirmation_problems > 0
    for split, count in counts.items():
        yield from stepcode.generate(split, data.seed, steps, count, domain, reserve)


def _demonstrations(data: DataConfig, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    if data.source == "stepcode":
        yield from stepcode.demonstrations(rows, data.seed, (data.wrong_line_min, data.wrong_line_max))
        return
    with_reference = [row for row in rows if row["reference"]]
    if not with_reference:
        raise BadInput(
            data.source, "has no training problem with a reference solution", "at least one, for SFT"
        )
    for row in with_reference:
        yield {"problem_id": row["problem_id"], "text": row["reference"]}


def _problems_file(config: RestrictedConfig) -> Mapping[str, str]:
    return {} if config.data.source == "stepcode" else hash_files(Path(config.data.source))


STAGE = Stage(
    name="prepare_problems",
    kind="problems",
    version=3,
    sections=("data", "sandbox", "validation"),
    inputs={},
    run=run,
    reads=_problems_file,
)
