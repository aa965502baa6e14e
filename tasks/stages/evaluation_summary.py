"""From graded samples to the figures of a score: pass@k with intervals, and what every problem contributed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tasks.benchmarks.statistics import pass_at_k_many, score_interval
from tasks.errors import TryAgain
from tasks.problems import Problem


def summarise(
    problems: Sequence[Problem],
    rows: Sequence[Mapping[str, Any]],
    ks: Sequence[int],
    reference_tokens: Mapping[str, int],
) -> dict[str, Any]:
    """Scores per problem in file order. A sample without verdict is left out of its problem's n, never counted wrong.

    Raises TryAgain when no sample at all has a verdict: then the sandbox is ill, not the model.
    """
    by_problem: dict[str, list[Mapping[str, Any]]] = {problem.problem_id: [] for problem in problems}
    for row in rows:
        if row["status"] != "no_verdict":
            by_problem[row["problem_id"]].append(row)
    told = [
        _problem(problem, by_problem[problem.problem_id], reference_tokens[problem.problem_id])
        for problem in problems
        if by_problem[problem.problem_id]
    ]
    if not told:
        raise TryAgain(f"none of {len(rows)} samples has a verdict")
    return {
        "problems": len(told),
        "samples": len(rows),
        **_scores(told, ks),
        "no_verdict": sum(row["status"] == "no_verdict" for row in rows),
        "not_asked": sum(row["tokens"] == 0 and row["detail"].startswith("not asked") for row in rows),
        "per_problem": told,
    }


def _problem(problem: Problem, rows: Sequence[Mapping[str, Any]], reference_tokens: int) -> dict[str, Any]:
    """`tokens` is the mean length of the responses."""
    return {
        "problem_id": problem.problem_id,
        "difficulty": problem.difficulty,
        "reference_tokens": reference_tokens,
        "tokens": round(sum(row["tokens"] for row in rows) / len(rows), 2),
        "n": len(rows),
        "c": sum(row["status"] == "passed" for row in rows),
    }


def _scores(told: Sequence[Mapping[str, Any]], ks: Sequence[int]) -> dict[str, float]:
    """pass@k and its interval, over the problems with at least k verdicts."""
    scores: dict[str, float] = {}
    for k in ks:
        counts = np.array([(one["n"], one["c"]) for one in told if one["n"] >= k]).reshape(-1, 2)
        if len(counts):
            values = pass_at_k_many(counts[:, 0], counts[:, 1], k)
            low, high = score_interval(values)
            scores |= {
                f"pass_at_{k}": float(values.mean()),
                f"pass_at_{k}_low": low,
                f"pass_at_{k}_high": high,
            }
    return scores
