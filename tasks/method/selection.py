"""Which labelled responses the PRM is fitted on (section 3.1.3 of the paper; "hard" and "medium" are defined by us).

The paper tried four ways and only `revised_only` helped. Pass rates are those of the sampled responses of a problem,
over all checkpoints.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Strategy = Literal["full", "remove_hard", "medium_only", "revised_only"]


@dataclass(frozen=True)
class Labelled:
    """A response and the labels of its first lines, in line order (all lines for searched labels).

    `sampled`: it came from a checkpoint, so that it counts for its problem's pass rate; edited reference solutions do not.
    """

    response_id: str
    problem_id: str
    text: str
    passed: bool
    sampled: bool
    labels: tuple[int, ...]


def full(responses: Sequence[Labelled]) -> list[Labelled]:
    """Everything that has labels."""
    return list(responses)


def remove_hard(responses: Sequence[Labelled]) -> list[Labelled]:
    """Without hard problems: those of which no sampled response passed."""
    rates = pass_rates(responses)
    return [one for one in responses if rates.get(one.problem_id, 0) > 0]


def medium_only(responses: Sequence[Labelled]) -> list[Labelled]:
    """Medium problems only: of which some sampled responses passed and some did not."""
    rates = pass_rates(responses)
    return [one for one in responses if 0 < rates.get(one.problem_id, 0) < 1]


def revised_only(responses: Sequence[Labelled]) -> list[Labelled]:
    """Failing responses with a recoverable prefix: both labels, +1 and -1, occur in them."""
    return [one for one in responses if not one.passed and {1, -1} <= set(one.labels)]


def select(responses: Sequence[Labelled], strategy: Strategy) -> list[Labelled]:
    """The responses that `strategy` keeps, in order."""
    chosen = {
        "full": full,
        "remove_hard": remove_hard,
        "medium_only": medium_only,
        "revised_only": revised_only,
    }[strategy]
    return chosen(responses)


def pass_rates(responses: Sequence[Labelled]) -> Mapping[str, float]:
    """Share of passing responses by problem, edited references aside."""
    verdicts: dict[str, list[bool]] = defaultdict(list)
    for one in responses:
        if one.sampled:
            verdicts[one.problem_id].append(one.passed)
    return {name: sum(passed) / len(passed) for name, passed in verdicts.items()}


def hold_out(problem_ids: Collection[str], share: float, seed: int) -> set[str]:
    """Problems for validation: about `share` of them, at least one, never all.

    Whether a problem is held out depends on its name alone, not on the others (but where that would leave a side empty):
    fits to different selections can be compared on the same problems.
    """
    drawn = {name: random.Random(f"hold_out/{seed}/{name}").random() for name in problem_ids}
    ordered = sorted(drawn, key=lambda name: (drawn[name], name))
    count = sum(number < share for number in drawn.values())
    return set(ordered[: min(max(1, count), len(ordered) - 1)])
