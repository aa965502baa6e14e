"""How good, how sure, and is the difference real: the statistics behind every score and comparison.

Problems are the unit of chance: samples of one problem are averaged first, then problems are resampled. Comparisons
are paired by problem. All randomness is seeded, so that the same scores always print the same interval.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from tasks.errors import BadInput

RESAMPLES = 10_000
LEVEL = 0.95
POWER = 0.8
DRAWS_AT_ONCE = 4_000_000  # bounds the memory of a bootstrap to some tens of megabytes


def pass_at_k(n: int, c: int, k: int) -> float:
    """Unbiased chance that one of k samples passes, from n samples of which c passed: 1 - C(n-c, k) / C(n, k).

    Raises BadInput unless 0 <= c <= n and 1 <= k <= n.
    """
    return float(pass_at_k_many([n], [c], k)[0])


def pass_at_k_many(n: Sequence[int] | np.ndarray, c: Sequence[int] | np.ndarray, k: int) -> np.ndarray:
    """`pass_at_k` for many problems at once. n, c: [problems] -> [problems]."""
    total, passed = np.asarray(n, dtype=np.int64), np.asarray(c, dtype=np.int64)
    if total.size and not (passed.min() >= 0 and (passed <= total).all()):
        raise BadInput("passed samples", "lie outside 0..n")
    if k < 1 or (total.size and k > total.min()):
        raise BadInput(
            f"k = {k}", f"with {total.min(initial=10**9)} samples", "1 <= k <= samples per problem"
        )
    # C(n-c, k) / C(n, k) = prod over j < k of (n - c - j) / (n - j)
    none_passes = np.ones(total.shape)
    for j in range(k):
        none_passes *= np.maximum(total - passed - j, 0) / (total - j)
    return 1.0 - none_passes


def bootstrap_interval(
    scores: Sequence[float] | np.ndarray, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean over problems. scores: [problems]; raises BadInput when empty."""
    means = _bootstrap_means(np.asarray(scores, dtype=float), resamples, seed)
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)


def score_interval(
    scores: Sequence[float] | np.ndarray, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Interval of a mean pass@k over problems. scores: [problems] in 0..1; raises BadInput when empty.

    The bootstrap, except where every problem is at 0 or every one at 1: resampling would give an interval of no width, so
    the exact binomial bound is given (Clopper-Pearson).
    """
    array = _not_empty(np.asarray(scores, dtype=float))
    bound = ((1 - level) / 2) ** (1 / array.size)
    if not array.any():
        return 0.0, 1 - bound
    if (array == 1).all():
        return bound, 1.0
    return bootstrap_interval(array, level, resamples, seed)


def paired_bootstrap(
    ours: Sequence[float] | np.ndarray,
    theirs: Sequence[float] | np.ndarray,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Interval of mean(ours) - mean(theirs) over the same problems: whole pairs are resampled."""
    return bootstrap_interval(_differences(ours, theirs), level, resamples, seed)


@dataclass(frozen=True)
class McNemar:
    """Problems that only one of two models solves, and the two-sided exact p-value that both are equally good."""

    only_ours: int
    only_theirs: int
    p_value: float


def mcnemar(ours: Sequence[bool], theirs: Sequence[bool]) -> McNemar:
    """Exact McNemar test on problems solved: under the null the discordant ones are fair coin tosses."""
    a, b = np.asarray(ours, dtype=bool), np.asarray(theirs, dtype=bool)
    if a.shape != b.shape:
        raise BadInput(
            "paired outcomes", f"{a.size} and {b.size} problems", "the same problems in the same order"
        )
    only_ours, only_theirs = int((a & ~b).sum()), int((b & ~a).sum())
    return McNemar(only_ours, only_theirs, _two_sided_sign_test(only_ours, only_theirs))


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard error over seeds; the error of a single seed is unknown: nan."""
    array = _not_empty(np.asarray(values, dtype=float))
    error = array.std(ddof=1) / math.sqrt(array.size) if array.size > 1 else math.nan
    return float(array.mean()), float(error)


def interquartile_mean(values: Sequence[float]) -> float:
    """Mean without the lowest and highest quarter (rounded down) of the values; robust to one bad seed."""
    array = np.sort(_not_empty(np.asarray(values, dtype=float)))
    cut = array.size // 4
    return float(array[cut : array.size - cut].mean())


@dataclass(frozen=True)
class Effect:
    """Two models on the problems of one bin; `low` and `high` bound the paired difference ours - theirs."""

    problems: int
    ours: float
    theirs: float
    difference: float
    low: float
    high: float


def effect(ours: Sequence[float] | np.ndarray, theirs: Sequence[float] | np.ndarray) -> Effect:
    """The paired difference of two models with its interval. ours, theirs: [problems] pass@k."""
    low, high = paired_bootstrap(ours, theirs)
    a, b = float(np.mean(ours)), float(np.mean(theirs))
    return Effect(len(ours), a, b, a - b, low, high)


def effect_by(
    bins: Iterable[Hashable], ours: Sequence[float] | np.ndarray, theirs: Sequence[float] | np.ndarray
) -> dict[Any, Effect]:
    """`effect` within each bin (difficulty, length), bins in sorted order. bins: [problems]."""
    members: dict[Any, list[int]] = {}
    for position, name in enumerate(bins):
        members.setdefault(name, []).append(position)
    a, b = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    return {name: effect(a[members[name]], b[members[name]]) for name in sorted(members)}


def minimum_detectable_difference(
    ours: Sequence[float] | np.ndarray,
    theirs: Sequence[float] | np.ndarray,
    power: float = POWER,
    level: float = LEVEL,
) -> float:
    """Smallest true paired difference these problems (or seeds) would show with probability `power`.

    (z_level + z_power) * standard error of the paired difference; normal approximation.
    """
    differences = _differences(ours, theirs)
    if differences.size < 2:
        return math.nan
    return _z(power, level) * float(differences.std(ddof=1)) / math.sqrt(differences.size)


def pairs_needed(
    ours: Sequence[float] | np.ndarray,
    theirs: Sequence[float] | np.ndarray,
    difference: float = 0.01,
    power: float = POWER,
    level: float = LEVEL,
) -> int:
    """How many problems (or seeds) of this kind are needed to see `difference` with probability `power`."""
    if difference <= 0:
        raise BadInput("difference", f"{difference} cannot be looked for", "a positive number")
    spread = _differences(ours, theirs)
    if spread.size < 2:
        raise BadInput("paired outcomes", "one pair has no spread", "at least two")
    return max(2, math.ceil((_z(power, level) * float(spread.std(ddof=1)) / difference) ** 2))


def _z(power: float, level: float) -> float:
    normal = NormalDist()
    return normal.inv_cdf(1 - (1 - level) / 2) + normal.inv_cdf(power)


def _differences(ours: Sequence[float] | np.ndarray, theirs: Sequence[float] | np.ndarray) -> np.ndarray:
    a, b = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    if a.shape != b.shape:
        raise BadInput(
            "paired scores", f"{a.size} and {b.size} values", "the same problems in the same order"
        )
    return a - b


def _not_empty(values: np.ndarray) -> np.ndarray:
    if values.size == 0:
        raise BadInput("scores", "there are none", "at least one")
    return values


def _bootstrap_means(scores: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Means of `resamples` samples with replacement. Few distinct scores: their counts are drawn instead, which is the
    same distribution at a cost that does not grow with the number of problems."""
    rng = np.random.default_rng(seed)
    size = _not_empty(scores).size
    values, counts = np.unique(scores, return_counts=True)
    if 8 * values.size < size:
        return rng.multinomial(size, counts / size, size=resamples) @ values / size
    chunk = max(1, DRAWS_AT_ONCE // size)
    return np.concatenate(
        [
            scores[rng.integers(0, size, (min(chunk, resamples - start), size))].mean(axis=1)
            for start in range(0, resamples, chunk)
        ]
    )


def _two_sided_sign_test(a: int, b: int) -> float:
    n, fewer = a + b, min(a, b)
    if a == b:
        return 1.0
    logs = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) for i in range(fewer + 1)]
    return min(1.0, 2 * math.fsum(math.exp(value - n * math.log(2)) for value in logs))
