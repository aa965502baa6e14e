"""What the sample browser of a page shows: prompts, programs, verdicts, line rewards; as much as a light page holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from tasks.reporting.solved import Matrix

MOST_BYTES = 900_000
LONGEST_TEXT = 6_000  # characters of one prompt or program
SHOWN_COLUMNS = ("index", "status", "tokens", "tests_passed", "tests_total", "detail", "text")

LineRewards = Callable[[str, Sequence[str]], list[list[float]]]
"""A prompt and responses to it -> a reward for every line of every response."""


@dataclass(frozen=True)
class Answers:
    """The samples of one evaluated model, by problem."""

    arm: str
    seed: int
    samples: Mapping[str, Sequence[Mapping[str, Any]]]

    @classmethod
    def of(cls, arm: str, seed: int, rows: Iterable[Mapping[str, Any]]) -> Answers:
        by_problem: dict[str, list[Mapping[str, Any]]] = {}
        for row in rows:
            by_problem.setdefault(row["problem_id"], []).append(row)
        return cls(arm, seed, by_problem)


@dataclass(frozen=True)
class Browser:
    """`data` is JSON for the page's script; `problems` how many there are, of which the data may hold fewer."""

    data: Markup
    problems: int
    line_rewards: bool


def browse(
    matrix: Matrix,
    prompts: Mapping[str, str],
    answers: Sequence[Answers],
    line_rewards: LineRewards | None = None,
    most_bytes: int = MOST_BYTES,
) -> Browser:
    """One entry per problem with the first sample of every arm, in the matrix' order, as many as `most_bytes` hold."""
    shown: list[str] = []
    used = 0
    for row in matrix.rows:
        entry = _entry(row.problem_id, prompts.get(row.problem_id, ""), row.changed, answers, line_rewards)
        text = json.dumps(entry, separators=(",", ":"), ensure_ascii=False)
        used += len(text.encode())
        if used > most_bytes:
            break
        shown.append(text)
    # no tag can begin in it
    data = Markup("[" + ",".join(shown).replace("<", "\\u003c") + "]")  # noqa: S704
    return Browser(data, len(matrix.rows), line_rewards is not None)


def _entry(
    problem_id: str, prompt: str, changed: bool, answers: Sequence[Answers], line_rewards: LineRewards | None
) -> dict[str, Any]:
    rows = [(given, given.samples[problem_id][0]) for given in answers if problem_id in given.samples]
    rewards = line_rewards(prompt, [row["text"] for _, row in rows]) if line_rewards else [None] * len(rows)
    return {
        "id": problem_id,
        "changed": changed,
        "prompt": prompt[:LONGEST_TEXT],
        "answers": [
            {
                "arm": given.arm,
                "seed": given.seed,
                **{name: row[name] for name in SHOWN_COLUMNS},
                "text": row["text"][:LONGEST_TEXT],
                "rewards": None if values is None else [round(value, 2) for value in values],
            }
            for (given, row), values in zip(rows, rewards, strict=True)
        ],
    }
