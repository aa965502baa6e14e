"""Problems and demonstrations: generated (StepCode) or imported from a file.

in: configuration `data`      out: problems.parquet, demonstrations.parquet

StepCode demonstrations are imperfect on purpose (each operation has its own wrong-line rate), so that the SFT policy
fails at single lines and reinforcement learning has something to mend. A problems file's demonstrations are its
reference solutions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks.benchmarks import stepcode
from tasks.benchmarks.importers import load_problems
from tasks.config import DataConfig
from tasks.errors import BadInput
from tasks.rows import DEMONSTRATIONS, PROBLEMS, SPLITS, write_rows
from tasks.stages.stage import RestrictedConfig, Stage, StageContext
from tasks.store import hash_files


def run(context: StageContext) -> Mapping[str, float]:
    data: DataConfig = context.config.data
    rows = list(_stepcode(data) if data.source == "stepcode" else load_problems(Path(data.source)))
    demonstrations = list(_demonstrations(data, [row for row in rows if row["split"] == "train"]))
    write_rows(PROBLEMS, rows, context.output / "problems.parquet")
    write_rows(DEMONSTRATIONS, demonstrations, context.output / "demonstrations.parquet")
    counts = {split: sum(row["split"] == split for row in rows) for split in SPLITS}
    counts = {split: count for split, count in counts.items() if count or split != "confirmation"}
    context.progress(len(rows), len(rows), str(counts))
    return {"demonstrations": len(demonstrations), **counts}


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
    version=2,
    sections=("data",),
    inputs={},
    run=run,
    reads=_problems_file,
)
