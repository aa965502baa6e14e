"""tasks/method/rewards.py: the paper's formula, the invariant, RLTF's table, and the two hack fixes."""

from __future__ import annotations

import random

import pytest

from tasks.config import RewardConfig
from tasks.method.rewards import (
    compiles,
    line_returns,
    line_weight,
    offending_line,
    outcome_reward,
    random_scores,
)
from tasks.sandbox.program import Verdict

PAPER = RewardConfig()


def verdict(status, passed=0, total=8, line=None):
    return Verdict(status, passed, total, 0.0, line=line)


def dense(scores, neutral, passed, settings=PAPER):
    return [line_weight(passed, settings) * value for value in line_returns(scores, neutral, settings)]


def dense_by_definition(scores, neutral, passed, settings):
    rewards = []
    for score, skip in zip(scores, neutral, strict=True):
        reward = 0.25 if not passed else 0.025
        reward *= max(-1.0, min(1.0, score))
        if settings.divide_by_lines:
            reward /= len(scores)
        rewards.append(0.0 if skip and settings.neutral_lines else reward)
    return rewards


@pytest.mark.parametrize("passed", [True, False])
@pytest.mark.parametrize("divide", [True, False])
@pytest.mark.parametrize("neutral", [True, False])
def test_line_rewards_are_the_formula(passed, divide, neutral):
    settings = RewardConfig(divide_by_lines=divide, neutral_lines=neutral)
    scores, flags = [0.5, -2.0, 3.0, 0.1], [False, True, False, True]
    expected = dense_by_definition(scores, flags, passed, settings)
    assert dense(scores, flags, passed, settings) == pytest.approx(expected)


def test_a_failing_response_never_outranks_a_passing_one():
    generator = random.Random(0)
    for _ in range(500):
        totals = {}
        for passed in (True, False):
            lines = generator.randint(0, 40)
            scores = [generator.choice([-1, 1, generator.uniform(-9, 9)]) for _ in range(lines)]
            neutral = [generator.random() < 0.3 for _ in range(lines)]
            outcome = outcome_reward(verdict("passed" if passed else "failed"), "all_tests")
            totals[passed] = outcome + sum(dense(scores, neutral, passed))
        assert totals[False] <= 0.25 < 0.975 <= totals[True]


def test_without_the_line_count_the_invariant_breaks():
    hack = RewardConfig(divide_by_lines=False)
    assert sum(dense([1.0] * 10, [False] * 10, False, hack)) > 1


def test_progress_is_what_the_score_gained_since_the_last_line_that_counts():
    settings = RewardConfig(process="progress", divide_by_lines=False)
    scores, neutral = [0.5, 9.0, 0.75, -3.0, 0.25], [False, True, False, False, False]
    assert line_returns(scores, neutral, settings) == pytest.approx([0.5, 0.0, 0.25, -1.75, 1.25])
    paid = RewardConfig(process="progress", divide_by_lines=False, neutral_lines=False)
    assert line_returns(scores, neutral, paid) == pytest.approx([0.5, 0.5, -0.25, -1.75, 1.25])


def test_progress_adds_up_to_the_last_score_and_keeps_the_invariant_without_the_line_count():
    settings = RewardConfig(process="progress", divide_by_lines=False)
    generator = random.Random(1)
    for _ in range(200):
        scores = [generator.uniform(-1, 1) for _ in range(generator.randint(1, 40))]
        total = sum(dense(scores, [False] * len(scores), False, settings))
        assert total == pytest.approx(0.25 * scores[-1])


def test_without_neutral_lines_comments_pay():
    hack = RewardConfig(neutral_lines=False)
    assert sum(dense([1.0] * 4, [True] * 4, False, hack)) > 0
    assert sum(dense([1.0] * 4, [True] * 4, False)) == 0


@pytest.mark.parametrize(
    "given, all_tests, fraction, rltf",
    [
        (verdict("passed", 8), 1.0, 1.0, 1.0),
        (verdict("failed", 6), 0.0, 0.75, -0.3 + 1.3 * 0.75),
        (verdict("failed", 0), 0.0, 0.0, -0.3),
        (verdict("error", 2), 0.0, 0.25, -0.6),
        (verdict("timeout"), 0.0, 0.0, -0.6),
        (verdict("failed", 0, 0), 0.0, 0.0, -0.3),
    ],
)
def test_outcome_rewards(given, all_tests, fraction, rltf):
    assert outcome_reward(given, "all_tests") == all_tests
    assert outcome_reward(given, "fraction") == pytest.approx(fraction)
    assert outcome_reward(given, "rltf") == pytest.approx(rltf)
    assert outcome_reward(given, "rltf", compiles=False) == -1.0


def test_the_offending_line_counts_from_the_response():
    prompt = "def f(x):\n    '''doc'''\n"
    assert offending_line(verdict("error", line=3), prompt) == 0
    assert offending_line(verdict("error", line=5), prompt) == 2
    assert offending_line(verdict("error", line=1), prompt) is None
    assert offending_line(verdict("failed"), prompt) is None


def test_what_compiles():
    assert compiles("x = 1\n")
    assert not compiles("def f(:\n")
    assert not compiles("\x00")
    assert not compiles("(" * 10_000)


def test_random_scores_depend_on_name_and_line_alone():
    assert random_scores("a", 5) == random_scores("a", 5) == random_scores("a", 9)[:5]
    assert random_scores("a", 5) != random_scores("b", 5)
    many = random_scores("c", 20_000)
    assert -1 <= min(many) < -0.99 < 0.99 < max(many) <= 1
    assert abs(sum(many)) / 20_000 < 0.02
