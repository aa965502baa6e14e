"""Is one arm better than another, and could we have seen it: paired comparisons of groups of scores.

Problems are paired; an arm's seeds are averaged first. A problem counts as solved when more than half of all samples
passed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.benchmarks.statistics import (
    Effect,
    effect_by,
    interquartile_mean,
    mcnemar,
    mean_and_error,
    minimum_detectable_difference,
    paired_bootstrap,
    pairs_needed,
)
from tasks.reporting.results import Score, mean_by_problem

SOLVED = 0.5
POINT = 0.01


@dataclass(frozen=True)
class Difference:
    """`arm` minus `baseline` in pass@1, with its 95 % interval.

    `only_arm`, `only_baseline`: problems that one of the two solves, `p_value` McNemar's exact test of that.
    `detectable`: the smallest true difference that so many problems show with 80 % chance; `needed`: problems for one point.
    """

    arm: str
    baseline: str
    problems: int
    value: float
    low: float
    high: float
    only_arm: int
    only_baseline: int
    p_value: float
    detectable: float
    needed: int


@dataclass(frozen=True)
class Spread:
    """pass@1 over seeds: mean, standard error (nan for one seed), interquartile mean."""

    arm: str
    seeds: int
    mean: float
    error: float
    interquartile: float


def difference(ours: Sequence[Score], theirs: Sequence[Score]) -> Difference | None:
    """The paired difference of two arms; None when fewer than two problems were put to both."""
    a, b = paired(ours, theirs)
    if len(a) < 2:
        return None
    low, high = paired_bootstrap(a, b)
    test = mcnemar([value > SOLVED for value in a], [value > SOLVED for value in b])
    return Difference(
        ours[0].arm,
        theirs[0].arm,
        len(a),
        sum(a) / len(a) - sum(b) / len(b),
        low,
        high,
        test.only_ours,
        test.only_theirs,
        test.p_value,
        minimum_detectable_difference(a, b),
        pairs_needed(a, b, POINT),
    )


def spread(scores: Sequence[Score]) -> Spread:
    values = [sum(score.per_problem.values()) / len(score.per_problem) for score in scores]
    mean, error = mean_and_error(values)
    return Spread(scores[0].arm, len(values), mean, error, interquartile_mean(values))


def differences_by(
    ours: Sequence[Score], theirs: Sequence[Score], bin_of: Callable[[Mapping[str, Any]], int]
) -> dict[int, Effect]:
    """The paired difference within each bin of the problems."""
    a, b = mean_by_problem(ours), mean_by_problem(theirs)
    rows = [
        row for row in ours[0].summary["per_problem"] if row["problem_id"] in a and row["problem_id"] in b
    ]
    names = [row["problem_id"] for row in rows]
    return effect_by([bin_of(row) for row in rows], [a[name] for name in names], [b[name] for name in names])


def paired(ours: Sequence[Score], theirs: Sequence[Score]) -> tuple[list[float], list[float]]:
    """pass@1 of both on the problems put to both, in the order of `ours`."""
    a, b = mean_by_problem(ours), mean_by_problem(theirs)
    common = [name for name in a if name in b]
    return [a[name] for name in common], [b[name] for name in common]


def sureness(found: Difference) -> str:
    """What a reader may conclude from a difference, in words."""
    if found.low > 0 or found.high < 0:
        return "clear of zero"
    if found.low == found.high == 0:
        return "none"
    return "may be chance"
