"""The protocol's statistics: paired differences between two groups of cells, with intervals over seeds and problems.

Pairs are cells of the same replicate and seed on the same problems. An interval resamples seeds and problems, both with
replacement, because the next run has other seeds and a user has other problems (docs/study.md, "Analysis").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.study.results import Result

RESAMPLES = 4000
LEVEL = 0.95
MARGIN = 0.02
"""A difference that lies within this with 95 % confidence is a null result; pass@1, 0 to 1."""


@dataclass(frozen=True)
class Comparison:
    """`name` minus `other`, over `seeds` pairs of cells and `problems` problems (0: the figure is one per cell)."""

    name: str
    other: str
    seeds: int
    problems: int
    value: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        if self.seeds < 2:
            return "one seed: no interval over seeds"
        if self.low > 0:
            return "gain"
        if self.high < 0:
            return "loss"
        return "null" if max(-self.low, self.high) <= MARGIN else "undecided"


def compare(ours: Sequence[Result], theirs: Sequence[Result]) -> Comparison | None:
    """pass@1 on the problems that all cells judged; None without a common seed."""
    pairs = _pairs(ours, theirs)
    if not pairs:
        return None
    common = set.intersection(*(set(one.per_problem) for pair in pairs for one in pair))
    problems = [name for name in pairs[0][0].per_problem if name in common]
    if not problems:
        return None
    matrix = np.array([[a.per_problem[name] - b.per_problem[name] for name in problems] for a, b in pairs])
    return _comparison(pairs, matrix, len(problems))


def compare_by(
    ours: Sequence[Result], theirs: Sequence[Result], figure: Callable[[Result], float]
) -> Comparison | None:
    """One figure per cell, for example the area under the learning curve."""
    pairs = _pairs(ours, theirs)
    if not pairs:
        return None
    return _comparison(pairs, np.array([[figure(a) - figure(b)] for a, b in pairs]), 0)


def interval(matrix: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95 % percentile interval of the mean of [seeds, problems], rows and columns resampled."""
    rng = np.random.default_rng(seed)
    rows, columns = matrix.shape
    means = np.empty(RESAMPLES)
    for index in range(RESAMPLES):
        # the weights of a resample are the same as drawing the rows and columns, and cheaper
        a = rng.multinomial(rows, np.full(rows, 1 / rows))
        b = rng.multinomial(columns, np.full(columns, 1 / columns))
        means[index] = a @ matrix @ b / (rows * columns)
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)


def interval_of(results: Sequence[Result]) -> tuple[float, float]:
    """95 % interval of the mean pass@1 of cells on the problems that all of them judged."""
    common = set.intersection(*(set(one.per_problem) for one in results))
    problems = [name for name in results[0].per_problem if name in common]
    return interval(np.array([[one.per_problem[name] for name in problems] for one in results]))


def steps_to(curve: Sequence[float], target: float, window: int = 5) -> int | None:
    """First step whose running mean over `window` steps reaches `target`; None if none does."""
    for step in range(window, len(curve) + 1):
        if sum(curve[step - window : step]) / window >= target:
            return step
    return None


def _pairs(ours: Sequence[Result], theirs: Sequence[Result]) -> list[tuple[Result, Result]]:
    others = {(one.cell.replicate, one.cell.seed): one for one in theirs}
    places = ((one, (one.cell.replicate, one.cell.seed)) for one in ours)
    return [(one, others[place]) for one, place in places if place in others]


def _comparison(pairs: Sequence[tuple[Result, Result]], matrix: np.ndarray, problems: int) -> Comparison:
    ours, theirs = pairs[0]
    names = [f"{one.cell.setting}/{one.cell.arm}" for one in (ours, theirs)]
    return Comparison(names[0], names[1], len(pairs), problems, float(matrix.mean()), *interval(matrix))
