"""tasks/method/monitors.py: what fires, what does not, once."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from tasks.config import MonitorConfig
from tasks.method.monitors import alarms, constant_reward, exploding_kl, hack

WINDOW = 8


def curves(passing, paid, noise=0.05, seed=0):
    """Rows of a run whose pass rate and PRM return are given as functions of the step."""
    draw = random.Random(seed)
    return [
        {
            "train/pass_rate": max(0.0, passing(i) + draw.gauss(0, noise)),
            "train/prm_return": paid(i) + draw.gauss(0, noise),
            "train/reward": draw.random(),
            "train/kl": 1.0,
        }
        for i in range(60)
    ]


def rising(i):
    return 0.01 * i


def falling(i):
    return 0.6 - 0.01 * i


def flat(_):
    return 0.3


def fires(rows):
    """Steps at which the rule fires as the run goes on; a step that fired is marked, as a run marks it."""
    found = []
    for i, row in enumerate(rows):
        row["train/hack_alarm"] = float(bool(hack(rows[: i + 1], WINDOW)))
        found += [i] if row["train/hack_alarm"] else []
    return found


def test_a_rising_prm_return_with_a_falling_pass_rate_is_a_hack():
    steps = fires(curves(falling, rising))
    assert steps
    assert steps[0] >= 2 * WINDOW - 1
    assert all(later - earlier >= 2 * WINDOW for earlier, later in pairwise(steps))


@pytest.mark.parametrize(
    "passing, paid", [(rising, rising), (falling, falling), (falling, flat), (flat, rising), (flat, flat)]
)
def test_nothing_else_is(passing, paid):
    assert not any(fires(curves(passing, paid, seed=seed)) for seed in range(10))


def test_the_text_says_from_where_to_where():
    text = hack(curves(falling, rising, noise=0.001), WINDOW)
    assert "PRM return rose from 0.03" in text
    assert "pass rate fell from 0.5" in text


def test_steps_without_verdicts_do_not_count():
    rows = curves(falling, rising)
    assert hack([*rows, {"train/no_verdict_share": 1.0}], WINDOW) == hack(rows, WINDOW) != ""


def test_the_kl_has_a_limit():
    assert not exploding_kl([{"train/kl": 99.0}], 100.0)
    assert "KL 101.0" in exploding_kl([{"train/kl": 5.0}, {"train/kl": 101.0}], 100.0)


def test_a_constant_reward_is_told_every_so_many_steps():
    rows = [{"train/reward": 0.0}] * 11
    assert [n for n in range(1, 12) if constant_reward(rows[:n], 5)] == [5, 10]
    assert not constant_reward([*rows[:4], {"train/reward": 0.1}], 5)


def test_the_configuration_says_what_follows():
    rows = [{**row, "train/kl": 500.0} for row in curves(falling, rising)]
    found = alarms(rows, MonitorConfig(on_hack="lower", on_kl="warn"))
    assert [(alarm.rule, alarm.action) for alarm in found] == [("hack", "lower"), ("kl", "warn")]
    assert [alarm.rule for alarm in alarms(rows, MonitorConfig(on_kl="off"))] == ["hack"]
    assert not alarms(rows, MonitorConfig(on_hack="off", on_kl="off"))
