"""Rows that meet every expectation, for tests to break one at a time."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tasks.method.selection import Labelled
from tasks.sandbox import CallTests, Case, tests_to_json

TESTS = tests_to_json(CallTests("solve", (Case(([1, 2],), 3), Case(([],), 0))))

PROBLEM_OF = {"a": "p0", "b": "p0", "c": "p1"}
"""Which problem a response answers."""


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
                "problem_id": PROBLEM_OF[name],
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
                "problem_id": PROBLEM_OF[name],
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


def demonstrations() -> pd.DataFrame:
    return pd.DataFrame([{"problem_id": name, "text": "    return sum(xs)\n"} for name in ("p0", "p1")])


def labelled() -> list[Labelled]:
    """Four labelled responses of three lines to three problems."""
    wanted = {"a": (1, 1, 1), "b": (1, 0, -1), "c": (-1, -1, -1), "d": (1, 1, -1)}
    return [
        Labelled(name, f"p{number // 2}", "x\ny\nz\n", name == "a", True, labels)
        for number, (name, labels) in enumerate(wanted.items())
    ]


def samples() -> pd.DataFrame:
    """Two problems with two samples each: one of them solved once."""
    return pd.DataFrame(
        [
            {
                "problem_id": name,
                "index": index,
                "difficulty": 1,
                "text": "    return 0\n",
                "tokens": 5,
                "status": "passed" if (name, index) == ("p0", 1) else "failed",
                "tests_passed": 2 if (name, index) == ("p0", 1) else 1,
                "tests_total": 2,
                "detail": "",
            }
            for name in ("p0", "p1")
            for index in (0, 1)
        ]
    )


def summary() -> dict[str, Any]:
    """What the score of `samples` says."""
    per_problem = [{"problem_id": "p0", "n": 2, "c": 1}, {"problem_id": "p1", "n": 2, "c": 0}]
    return {"arm": "rl", "seed": 0, "per_problem": per_problem, "contamination": {"worst": []}}
