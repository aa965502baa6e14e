"""The protocol's intervals: they cover what they should, pair what belongs together, and call a null a null."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.study.analysis import Comparison, compare, interval, steps_to
from tasks.study.chain import Cell, Made
from tasks.study.results import Result


def result(arm, seed, shares) -> Result:
    rows = [
        {"problem_id": f"p{index}", "n": 4, "c": round(4 * share), "difficulty": 1, "reference_tokens": 9}
        for index, share in enumerate(shares)
    ]
    made = Made("file:///x", {"content": "", "cpu_seconds": 1.0, "mlflow_run_id": ""})
    return Result(
        Cell("main", arm, seed),
        (1,),
        made,
        made,
        {"per_problem": rows, "pass_at_1": 0},
        ({"train/pass_rate": 0.1},),
        0.0,
        (1, 1),
    )


def test_the_difference_is_paired_by_seed_and_problem():
    ours = [result("psgpo", seed, [1, 0.5, 0.25]) for seed in (0, 1, 7)]
    theirs = [result("rl", seed, [0.5, 0.5, 0.25]) for seed in (1, 0, 8)]
    found = compare(ours, theirs)
    assert (found.seeds, found.problems) == (2, 3)
    assert found.value == pytest.approx(0.5 / 3)


def test_without_a_common_seed_there_is_no_comparison():
    assert compare([result("psgpo", 0, [1])], [result("rl", 1, [1])]) is None


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    """Seeds and problems both vary; an interval over problems alone would cover far less often."""
    rng = np.random.default_rng(3)
    covered = narrow = 0
    for trial in range(60):
        matrix = rng.normal(0, 0.1, (8, 1)) + rng.normal(0, 0.2, (1, 40)) + rng.normal(0, 0.2, (8, 40))
        low, high = interval(matrix, seed=trial)
        covered += low <= 0 <= high
        half = 1.96 * matrix.mean(axis=0).std() / 40**0.5
        narrow += abs(matrix.mean()) <= half
    assert covered / 60 > 0.85
    assert narrow < covered


@pytest.mark.parametrize(
    ("low", "high", "seeds", "verdict"),
    [
        (0.01, 0.05, 10, "gain"),
        (-0.05, -0.01, 10, "loss"),
        (-0.01, 0.02, 10, "null"),
        (-0.01, 0.03, 10, "undecided"),
        (0.01, 0.05, 1, "one seed: no interval over seeds"),
    ],
)
def test_verdicts(low, high, seeds, verdict):
    assert Comparison("a", "b", seeds, 9, 0.0, low, high).verdict == verdict


def test_steps_to_a_target_by_the_running_mean():
    curve = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0]
    assert steps_to(curve, 0.5, window=5) == 7
    assert steps_to(curve, 0.9, window=5) is None
    assert steps_to(curve, 0.0, window=5) == 5
