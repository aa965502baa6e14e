"""Rows that meet every expectation, for tests to break one at a time."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tasks.sandbox import CallTests, Case, tests_to_json

TESTS = tests_to_json(CallTests("solve", (Case(([1, 2],), 3), Case(([],), 0))))


def problems() -> pd.DataFrame:
    return pd.DataFrame(
        [_problem(f"p{number}", split) for number, split in enumerate(("train", "train", "test"))]
    )


def _problem(name: str, split: str) -> dict[str, Any]:
    return {
        "problem_id": name,
        "prompt": f'def solve(xs):\n    """{name}"""\n',
        "entry_point": "solve",
        "tests": TESTS,
        "reference": "    return sum(xs)\n",
        "difficulty": 1,
        "split": split,
        "source": "file",
        "licence": "MIT",
    }


def responses() -> pd.DataFrame:
    passed = {"a": ("passed", 2), "b": ("failed", 1), "c": ("error", 0)}
    return pd.DataFrame(
        [
            {
                "response_id": name,
                "problem_id": "p0",
                "checkpoint": 1,
                "text": "x\ny\nz\n",
                "tokens": 5,
                "finished": True,
                "status": status,
                "tests_passed": tests,
                "tests_total": 2,
            }
            for name, (status, tests) in passed.items()
        ]
    )


def labels() -> pd.DataFrame:
    """Three responses of three lines: passing; failing after a good first line and a comment; failing from the start."""
    wanted = {"a": (1, 1, 1), "b": (1, 0, -1), "c": (-1, -1, -1)}
    return pd.DataFrame(
        [
            {
                "response_id": name,
                "problem_id": "p0",
                "line": line,
                "lines": 3,
                "label": label,
                "passes": max(label, 0),
                "attempts": 4,
                "source": "search",
            }
            for name, listed in wanted.items()
            for line, label in enumerate(listed, start=1)
        ]
    )
