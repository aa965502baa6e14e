"""Metrics against plain loops, and on cases whose answer is known."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.method.calibration import by_group, quality, reliability

LINES = st.lists(
    st.tuples(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), st.sampled_from([-1, 1])), min_size=1
)


@given(LINES)
def test_quality_is_what_plain_loops_give(lines):
    scores, labels = zip(*lines, strict=True)
    measured = quality(scores, labels)
    positive = [s for s, y in lines if y > 0]
    negative = [s for s, y in lines if y < 0]
    n = len(lines)
    assert measured["mse"] == pytest.approx(sum((s - y) ** 2 for s, y in lines) / n)
    assert measured["accuracy"] == pytest.approx(sum((s > 0) == (y > 0) for s, y in lines) / n)
    assert measured["brier"] == pytest.approx(measured["mse"] / 4)
    if positive and negative:
        wins = sum((p > q) + 0.5 * (p == q) for p in positive for q in negative)
        assert measured["auc"] == pytest.approx(wins / (len(positive) * len(negative)))
        right = sum(s > 0 for s in positive) / len(positive), sum(s <= 0 for s in negative) / len(negative)
        assert measured["balanced_accuracy"] == pytest.approx(sum(right) / 2)
    else:
        assert "auc" not in measured


def test_a_calibrated_score_has_no_calibration_error_and_a_bold_one_has():
    rng = random.Random(0)
    labels = [1 if rng.random() < 0.8 else -1 for _ in range(20_000)]
    calibrated, bold = quality(np.full(20_000, 0.6), labels), quality(np.full(20_000, 0.98), labels)
    assert calibrated["ece"] < 0.01
    assert bold["ece"] == pytest.approx(0.19, abs=0.01)
    assert calibrated["brier"] < bold["brier"]


def test_reliability_counts_every_line_in_the_bin_of_its_score():
    rows = reliability([-1.0, -0.99, 1.0, 0.1], [-1, 1, 1, -1])
    assert [row["count"] for row in rows] == [2, 1, 1]
    assert rows[0]["observed"] == 0.5
    assert rows[-1] == {"predicted": 1.0, "observed": 1.0, "count": 1}


def test_a_constant_is_at_chance_by_the_measures_that_see_it():
    measured = quality([-0.5] * 10, [1] * 2 + [-1] * 8)
    assert measured["accuracy"] == 0.8
    assert (measured["balanced_accuracy"], measured["auc"]) == (0.5, 0.5)


def test_groups_are_measured_apart():
    groups = by_group([2, 1, 2], [1.0, 1.0, -1.0], [1, -1, 1])
    assert list(groups) == [1, 2]
    assert (groups[1]["accuracy"], groups[2]["accuracy"], groups[2]["count"]) == (0.0, 0.5, 2)


def test_nothing_measured_on_nothing():
    assert quality([], []) == {}
