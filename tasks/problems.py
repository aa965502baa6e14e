"""Problem: prompt, tests, reference, difficulty, split; and how a response becomes a program for the sandbox."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from tasks.errors import BadInput
from tasks.rows import PROBLEMS, read_rows
from tasks.sandbox import Program, tests_from_json
from tasks.sandbox.program import Tests


@dataclass(frozen=True)
class Problem:
    """One row of `tasks.rows.PROBLEMS`."""

    problem_id: str
    prompt: str
    entry_point: str
    tests: str
    reference: str | None
    difficulty: int
    split: str
    source: str
    licence: str

    @cached_property
    def decoded_tests(self) -> Tests:
        return tests_from_json(self.tests)

    def program(self, response: str) -> Program:
        """The whole program: the prompt continued by the response."""
        return Program(self.prompt + response, self.decoded_tests)


_FIELDS = tuple(field.name for field in fields(Problem))


def problems_from_rows(rows: Iterable[dict[str, Any]]) -> list[Problem]:
    return [Problem(**{name: row[name] for name in _FIELDS}) for row in rows]


def read_problems(
    folder: Path, split: str | None = None, difficulty: tuple[int, int] | None = None
) -> list[Problem]:
    """Problems of a `problems` artifact, in file order; only one split and a difficulty range if given.

    Raises BadInput when none is left: nothing can be trained or measured on no problems.
    """
    problems = [
        problem
        for problem in problems_from_rows(read_rows(PROBLEMS, folder / "problems.parquet"))
        if (split is None or problem.split == split)
        and (difficulty is None or difficulty[0] <= problem.difficulty <= difficulty[1])
    ]
    if not problems:
        wanted = f"split {split!r}" + (
            f" with difficulty {difficulty[0]}..{difficulty[1]}" if difficulty else ""
        )
        raise BadInput(str(folder / "problems.parquet"), f"has no problems of {wanted}")
    return problems
