"""Arm results from scores: means over seeds, paired differences, bins."""

from __future__ import annotations

import pytest

from tasks.reporting.results import Score, arm_results, by_bin, difficulty_bin, length_bin, mean_by_problem


def _score(arm: str, seed: int, solved: dict[str, int], n: int = 10) -> Score:
    rows = [
        {
            "problem_id": name,
            "difficulty": int(name[1]),
            "reference_tokens": 30 * int(name[1]),
            "n": n,
            "c": c,
        }
        for name, c in solved.items()
    ]
    return Score(arm, seed, {"arm": arm, "seed": seed, "per_problem": rows, "pass_at_1": 0.0})


RL = [_score("rl", 0, {"p1": 10, "p2": 0, "p3": 0}), _score("rl", 1, {"p1": 8, "p2": 2, "p3": 0})]
PSGPO = [_score("psgpo", 0, {"p1": 10, "p2": 5, "p3": 5}), _score("psgpo", 1, {"p1": 10, "p2": 5, "p3": 5})]


def test_mean_by_problem_averages_over_seeds():
    assert mean_by_problem(RL) == pytest.approx({"p1": 0.9, "p2": 0.1, "p3": 0.0})


def test_mean_by_problem_keeps_only_problems_every_seed_judged():
    partial = _score("rl", 2, {"p1": 10})
    assert mean_by_problem([*RL, partial]) == pytest.approx({"p1": (1.0 + 0.8 + 1.0) / 3})


def test_arm_results_give_the_paired_gain_over_rl_and_none_for_rl_itself():
    rl, psgpo = arm_results(
        [*RL, *PSGPO], {"rl": 40, "psgpo": 40}, {"rl": 10.0, "psgpo": 11.0}, {"psgpo": 30.0}
    )
    assert rl.gain is None
    assert rl.pass_at_1 == pytest.approx(1.0 / 3)
    assert rl.per_seed == pytest.approx((1.0 / 3, 1.0 / 3))
    difference, low, high = psgpo.gain
    assert difference == pytest.approx(psgpo.pass_at_1 - rl.pass_at_1)
    assert low <= difference <= high
    assert (rl.total_cpu_seconds, psgpo.total_cpu_seconds) == (10.0, 41.0)


def test_gain_is_absent_without_an_rl_arm():
    (only,) = arm_results(PSGPO, {}, {}, {})
    assert only.gain is None


def test_bins_hold_every_problem_once():
    by_length = by_bin(RL, length_bin)
    assert {edge: row[3] for edge, row in by_length.items()} == {25: 1, 50: 1, 75: 1}
    assert by_bin(RL, difficulty_bin)[1][0] == pytest.approx(0.9)
