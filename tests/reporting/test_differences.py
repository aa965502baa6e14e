"""Paired differences of arms, by hand-made scores whose answers are known."""

from __future__ import annotations

import math

import pytest

from tasks.reporting.differences import difference, differences_by, spread, sureness
from tasks.reporting.results import Score, length_bin


def score(arm: str, passed: list[int], seed: int = 0, n: int = 4, tokens: int = 60) -> Score:
    rows = [
        {
            "problem_id": f"p{i}",
            "difficulty": 1 + i % 2,
            "reference_tokens": tokens * (i % 3),
            "n": n,
            "c": c,
            "tokens": 7,
        }
        for i, c in enumerate(passed)
    ]
    return Score(arm, seed, {"per_problem": rows})


def test_a_clear_difference_is_called_clear():
    found = difference([score("psgpo", [4] * 30)], [score("rl", [0] * 20 + [4] * 10)])
    assert (found.arm, found.baseline, found.problems) == ("psgpo", "rl", 30)
    assert found.value == pytest.approx(2 / 3)
    assert found.low > 0
    assert (found.only_arm, found.only_baseline) == (20, 0)
    assert found.p_value == pytest.approx(2 * 0.5**20)
    assert sureness(found) == "clear of zero"


def test_a_small_difference_may_be_chance_and_says_what_would_have_been_seen():
    found = difference([score("psgpo", [4, 0, 4, 0, 4, 4])], [score("rl", [0, 4, 4, 0, 4, 0])])
    assert found.low < 0 < found.high
    assert sureness(found) == "may be chance"
    assert found.detectable > abs(found.value)
    assert found.needed > found.problems


def test_only_problems_put_to_both_count():
    assert difference([score("a", [4, 4, 0])], [score("b", [0, 4])]).problems == 2
    assert difference([score("a", [4])], [score("b", [0])]) is None


def test_equal_scores_show_no_difference():
    found = difference([score("a", [4, 0, 2])], [score("b", [4, 0, 2])])
    assert (found.value, found.p_value) == (0.0, 1.0)
    assert sureness(found) == "none"


def test_seeds_are_averaged_first_and_their_spread_is_told():
    seeds = [score("rl", [4, 4], 0), score("rl", [0, 4], 1)]
    assert difference(seeds, [score("b", [4, 4])]).value == pytest.approx(-0.25)
    told = spread(seeds)
    assert (told.mean, told.seeds) == (0.75, 2)
    assert told.error == pytest.approx(0.25)
    assert math.isnan(spread(seeds[:1]).error)


def test_bins_hold_the_difference_of_their_problems():
    found = differences_by([score("a", [4, 4, 4])], [score("b", [4, 4, 0])], length_bin)
    assert {edge: effect.difference for edge, effect in found.items()} == {0: 0.0, 50: 0.0, 100: 1.0}


def test_without_references_the_responses_give_the_length():
    (row,) = score("a", [4]).summary["per_problem"]
    assert length_bin(row | {"tokens": 30}) == 25
