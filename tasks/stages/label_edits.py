"""Labels from edited reference solutions: shards of problems instead of responses (`tasks/method/mutation.py`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.config import LabelConfig
from tasks.method.mutation import Edit, draw_edits, edit_rows
from tasks.method.trials import Judge
from tasks.problems import Problem
from tasks.rows import LABELS, RESPONSES, write_rows
from tasks.sandbox import Verdict
from tasks.store import Checkpoints


def label_edits(
    problems: Sequence[Problem],
    checkpoint: int,
    first_number: int,
    judge: Judge,
    settings: LabelConfig,
    checkpoints: Checkpoints,
) -> Iterator[int]:
    """Checkpoint shards from `first_number` on; yields problems done. Problems without a reference have no edits."""
    have = checkpoints.numbers()
    for index in range(0, len(problems), settings.shard_size):
        number, part = (
            first_number + index // settings.shard_size,
            problems[index : index + settings.shard_size],
        )
        if number not in have:
            checkpoints.save(
                number, _Writer(_judged(part, checkpoint, judge, settings), checkpoint), keep=None
            )
        yield index + len(part)


@dataclass(frozen=True)
class _Edited:
    response_id: str
    problem: Problem
    edit: Edit
    verdict: Verdict


def _judged(
    problems: Sequence[Problem], checkpoint: int, judge: Judge, settings: LabelConfig
) -> list[_Edited]:
    """Every checkpoint draws its own edits of a problem; those without a verdict are left out."""
    begun = []
    for problem in problems:
        name = f"{problem.problem_id}#{checkpoint}"
        stream = f"edit/{settings.seed}/{name}"
        drawn = draw_edits(problem.prompt, problem.reference or "", settings.edits_per_problem, stream)
        for index, edit in enumerate(drawn):
            begun.append((f"{name}#edit{index}", problem, edit, judge(problem.problem_id, edit.text)))
    done = [_Edited(name, problem, edit, pending.result()) for name, problem, edit, pending in begun]
    return [one for one in done if one.verdict.status != "no_verdict"]


@dataclass(frozen=True)
class _Writer:
    edited: Sequence[_Edited]
    checkpoint: int

    def __call__(self, folder: Path) -> None:
        labels = (
            row
            for one in self.edited
            for row in edit_rows(
                one.edit, one.response_id, one.problem.problem_id, one.problem.prompt, one.verdict.passed
            )
        )
        write_rows(LABELS, labels, folder / "labels.parquet")
        write_rows(RESPONSES, (self._row(one) for one in self.edited), folder / "responses.parquet")
        counts = {"edits": len(self.edited), "edits_passing": sum(one.verdict.passed for one in self.edited)}
        (folder / "shard.json").write_text(json.dumps({"counts": counts, "decisions": {}}, sort_keys=True))

    def _row(self, one: _Edited) -> Mapping[str, Any]:
        """Nobody sampled it: no tokens."""
        return {
            "response_id": one.response_id,
            "problem_id": one.problem.problem_id,
            "checkpoint": self.checkpoint,
            "text": one.edit.text,
            "tokens": 0,
            "finished": True,
            "status": one.verdict.status,
            "tests_passed": one.verdict.tests_passed,
            "tests_total": one.verdict.tests_total,
        }
