"""Measure a PRM on labelled lines of held-out problems: in all, by position, difficulty and length, beside controls.

Neutral lines are left out: they have no truth to be right about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.method.calibration import by_group, quality, reliability
from tasks.method.prm import score_lines
from tasks.method.value_model import ValueModel
from tasks.problems import Problem
from tasks.stages.prm_data import Responses

TENTHS = 10


@dataclass(frozen=True)
class Lines:
    """Columns over labelled lines [N]: label +1 or -1, line number, tenth of the program, program's lines, difficulty."""

    label: np.ndarray
    position: np.ndarray
    tenth: np.ndarray
    length: np.ndarray
    difficulty: np.ndarray

    @classmethod
    def of(cls, responses: Responses, problems: Mapping[str, Problem]) -> Lines:
        """Lines that an example lacks are beyond the model's context."""
        rows = [
            (
                label,
                line,
                (line - 1) * TENTHS // len(one.labels),
                len(one.labels),
                problems[one.problem_id].difficulty,
            )
            for one, example in zip(responses.labelled, responses.examples, strict=True)
            for line, label in enumerate(one.labels[: len(example.ends)], start=1)
            if label
        ]
        return cls(*np.array(rows, dtype=np.int64).reshape(-1, 5).T)


def line_scores(value_model: ValueModel, responses: Responses) -> np.ndarray:
    """Scores of the lines of `Lines.of(responses, ...)` [N]."""
    examples = responses.examples
    scored = score_lines(value_model, [one.tokens for one in examples], [one.ends for one in examples])
    return np.array(
        [
            score
            for one, scores in zip(responses.labelled, scored, strict=True)
            for label, score in zip(one.labels, scores, strict=False)
            if label
        ]
    )


def summary(lines: Lines, scores: np.ndarray) -> dict[str, float]:
    """`quality`, the number of lines and the share of +1 among them; of no lines only their number."""
    if not len(scores):
        return {"lines": 0}
    return {
        **quality(scores, lines.label),
        "lines": len(scores),
        "positive": float((lines.label > 0).mean()),
    }


def measure(lines: Lines, scores: np.ndarray) -> dict[str, Any]:
    """What metrics.json says of the PRM on the responses it was selected for."""
    by_position = by_group(lines.position, scores, lines.label)
    return {
        "held_out": summary(lines, scores),
        "by_position": [{"position": line, **row} for line, row in by_position.items()],
        "by_difficulty": [
            {"difficulty": key, **row} for key, row in by_group(lines.difficulty, scores, lines.label).items()
        ],
        "by_length": [
            {"lines": key, **row} for key, row in by_group(lines.length, scores, lines.label).items()
        ],
        "reliability": reliability(scores, lines.label),
    }


def guesses(train: Lines) -> dict[str, Any]:
    """What can be said without reading a program: the mean label, and the mean label at a line's relative position."""
    mean = float(train.label.mean())
    by_tenth = [
        float(train.label[train.tenth == t].mean()) if (train.tenth == t).any() else mean
        for t in range(TENTHS)
    ]
    return {"mean": mean, "by_tenth": by_tenth}


def simple_controls(guessed: Mapping[str, Any], lines: Lines) -> dict[str, dict[str, float]]:
    """How good `guesses` are on other lines."""
    return {
        "constant": quality(np.full(len(lines.label), guessed["mean"]), lines.label),
        "position": quality(np.array(guessed["by_tenth"])[lines.tenth], lines.label),
    }
