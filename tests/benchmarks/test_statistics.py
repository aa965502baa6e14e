"""Every statistic against enumeration, scipy or a closed form; and intervals that cover as often as they claim."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from tasks.benchmarks.statistics import (
    bootstrap_interval,
    effect_by,
    interquartile_mean,
    mcnemar,
    mean_and_error,
    minimum_detectable_difference,
    paired_bootstrap,
    pairs_needed,
    pass_at_k,
    pass_at_k_many,
    score_interval,
)
from tasks.errors import BadInput


@pytest.mark.parametrize("n", range(1, 8))
def test_pass_at_k_is_the_share_of_draws_with_a_pass(n):
    for c, k in itertools.product(range(n + 1), range(1, n + 1)):
        samples = [True] * c + [False] * (n - c)
        draws = list(itertools.combinations(samples, k))
        assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, draws)) / len(draws), abs=1e-12)


def test_pass_at_k_is_exact_for_many_samples():
    n, c, k = 200, 3, 100
    assert pass_at_k(n, c, k) == pytest.approx(1 - math.comb(n - c, k) / math.comb(n, k), abs=1e-12)
    assert pass_at_k_many([200, 200], [0, 200], 10).tolist() == [0.0, 1.0]


@pytest.mark.parametrize(("n", "c", "k"), [(3, 1, 4), (3, 4, 1), (3, -1, 1), (3, 1, 0)])
def test_pass_at_k_refuses_what_has_no_estimate(n, c, k):
    with pytest.raises(BadInput):
        pass_at_k(n, c, k)


def test_interval_agrees_with_scipy():
    scores = np.random.default_rng(1).beta(0.5, 0.5, 80)
    theirs = stats.bootstrap((scores,), np.mean, method="percentile", n_resamples=10_000, rng=2)
    low, high = bootstrap_interval(scores)
    assert low == pytest.approx(theirs.confidence_interval.low, abs=0.005)
    assert high == pytest.approx(theirs.confidence_interval.high, abs=0.005)


def test_both_ways_to_resample_draw_the_same_distribution():
    few = np.repeat([0.0, 0.5, 1.0], [60, 20, 40])
    distinct = few + np.linspace(0, 1e-9, few.size)  # distinct values take the other way
    assert bootstrap_interval(few) == pytest.approx(bootstrap_interval(distinct), abs=0.01)


@pytest.mark.parametrize("problems", [100, 300])
def test_interval_covers_the_truth_about_as_often_as_it_claims(problems):
    rng = np.random.default_rng(problems)
    hits = 0
    for _ in range(400):
        chances = rng.beta(0.6, 1.4, problems)  # population mean 0.3
        scores = rng.binomial(10, chances) / 10
        low, high = bootstrap_interval(scores, resamples=1000)
        hits += low <= 0.3 <= high
    assert 0.92 <= hits / 400 <= 0.98


def test_paired_interval_covers_and_is_narrower_than_the_unpaired_one():
    rng = np.random.default_rng(3)
    hits, narrower = 0, 0
    for _ in range(300):
        chances = rng.beta(0.6, 1.4, 200) * 0.9
        ours, theirs = rng.binomial(10, chances + 0.05) / 10, rng.binomial(10, chances) / 10
        low, high = paired_bootstrap(ours, theirs, resamples=1000)
        hits += low <= 0.05 <= high
        alone = bootstrap_interval(ours, resamples=1000)
        narrower += high - low < alone[1] - alone[0]
    assert 0.91 <= hits / 300 <= 0.98
    assert narrower > 290


def test_paired_interval_needs_the_same_problems():
    with pytest.raises(BadInput):
        paired_bootstrap([0.1, 0.2], [0.1])
    with pytest.raises(BadInput):
        bootstrap_interval([])


@pytest.mark.parametrize(("ours", "theirs"), [(0, 0), (5, 5), (9, 2), (30, 12), (0, 6), (600, 500)])
def test_mcnemar_agrees_with_the_binomial_test(ours, theirs):
    both = 7
    a = [True] * (both + ours) + [False] * theirs
    b = [True] * both + [False] * ours + [True] * theirs
    found = mcnemar(a, b)
    expected = stats.binomtest(ours, ours + theirs).pvalue if ours + theirs else 1.0
    assert (found.only_ours, found.only_theirs) == (ours, theirs)
    assert found.p_value == pytest.approx(expected, rel=1e-9)


def test_seed_summaries():
    values = [0.30, 0.33, 0.36, 0.10, 0.34]
    mean, error = mean_and_error(values)
    assert mean == pytest.approx(np.mean(values))
    assert error == pytest.approx(stats.sem(values))
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25))
    assert math.isnan(mean_and_error([0.3])[1])


def test_effect_by_bin_finds_where_the_effect_is():
    rng = np.random.default_rng(5)
    bins = np.repeat([1, 5], 400)
    theirs = rng.binomial(10, 0.4, 800) / 10
    ours = np.clip(theirs + 0.2 * (bins == 5) + rng.normal(0, 0.05, 800), 0, 1)
    found = effect_by(bins, ours, theirs)
    assert list(found) == [1, 5]
    assert found[1].low < 0.02
    assert found[5].low > 0.1
    assert found[5].difference == pytest.approx(found[5].ours - found[5].theirs)
    assert found[5].problems == 400


def test_minimum_detectable_difference_is_detected_with_the_stated_power():
    rng = np.random.default_rng(7)
    theirs = rng.normal(0.4, 0.2, 150)
    smallest = minimum_detectable_difference(theirs + rng.normal(0, 0.3, 150), theirs)
    found = 0
    for _ in range(400):
        low, _ = paired_bootstrap(theirs + smallest + rng.normal(0, 0.3, 150), theirs, resamples=500)
        found += low > 0
    assert found / 400 == pytest.approx(0.8, abs=0.1)


def test_pairs_needed_inverts_the_minimum_detectable_difference():
    rng = np.random.default_rng(9)
    ours, theirs = rng.random(100), rng.random(100)
    smallest = minimum_detectable_difference(ours, theirs)
    assert pairs_needed(ours, theirs, smallest) in (100, 101)
    assert pairs_needed(ours, theirs, smallest / 2) in (400, 401)
    with pytest.raises(BadInput):
        pairs_needed(ours, theirs, 0.0)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_score_at_the_edge_has_the_exact_binomial_interval(value):
    """All or none of 30 problems: as scipy's Clopper-Pearson; the bootstrap alone would claim certainty."""
    exact = stats.binomtest(int(30 * value), 30).proportion_ci(0.95, method="exact")
    assert score_interval([value] * 30) == pytest.approx((exact.low, exact.high))
    assert bootstrap_interval([value] * 30) == (value, value)


def test_elsewhere_a_score_has_the_bootstrap_interval():
    scores = [0.0, 1.0, 0.5, 1.0]
    assert score_interval(scores) == bootstrap_interval(scores)
    assert score_interval([0.5] * 4) == (0.5, 0.5)
