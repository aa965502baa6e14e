"""Do training problems contain the benchmark? Exact and n-gram overlap, by words of prompt and reference.

A benchmark problem is contaminated by a training problem that has the same normalised text, or that shares at least
`SHARE` of the benchmark problem's n-grams of `N` words. Texts shorter than N words count as one n-gram.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tasks.problems import Problem

N = 10
SHARE = 0.5
SHOWN = 10


@dataclass(frozen=True)
class Overlap:
    """`share`: part of the benchmark problem's n-grams that the training problem holds; exact: 1."""

    problem_id: str
    training_id: str
    share: float
    exact: bool


def overlaps(
    benchmark: Sequence[Problem], training: Iterable[Problem], share: float = SHARE
) -> list[Overlap]:
    """The worst overlap of each contaminated benchmark problem; training problems are streamed."""
    grams = [_grams(_words(problem)) for problem in benchmark]
    holders: dict[int, list[int]] = defaultdict(list)
    for position, own in enumerate(grams):
        for gram in own:
            holders[gram].append(position)
    worst: dict[int, Overlap] = {}
    for candidate in training:
        words = _words(candidate)
        shared = Counter(position for gram in _grams(words) for position in holders.get(gram, ()))
        for position, count in shared.items():
            part = count / len(grams[position])
            if part >= share and part > (worst[position].share if position in worst else 0.0):
                exact = words == _words(benchmark[position])
                worst[position] = Overlap(benchmark[position].problem_id, candidate.problem_id, part, exact)
    return [worst[position] for position in sorted(worst)]


def summary_of(found: Sequence[Overlap], training: int) -> dict[str, Any]:
    """What a score says about `overlaps`: how many benchmark problems, and the worst of them."""
    worst = sorted(found, key=lambda one: (-one.exact, -one.share, one.problem_id))[:SHOWN]
    return {
        "training_problems": training,
        "exact": sum(one.exact for one in found),
        "overlapping": len(found),
        "rule": f"at least {SHARE:.0%} of {N}-word runs shared",
        "worst": [asdict(one) for one in worst],
    }


def _words(problem: Problem) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", f"{problem.prompt}\n{problem.reference or ''}".lower())


def _grams(words: list[str]) -> set[int]:
    """Hashes of the n-grams, equal within one process only."""
    return {hash(tuple(words[i : i + N])) for i in range(max(1, len(words) - N + 1))}
