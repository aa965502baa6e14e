"""What tuning tried on development, the same for every arm, and what it chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.study.results import Result, Results
from tasks.study.settings import Overrides, Study


@dataclass(frozen=True)
class Tried:
    """One grid point of one arm: `seeds` are planned, `results` are there."""

    setting: str
    arm: str
    cells: Overrides
    seeds: int
    results: tuple[Result, ...]

    @property
    def complete(self) -> bool:
        return len({one.cell.seed for one in self.results}) == self.seeds

    @property
    def pass_at_1_trained(self) -> float:
        """The protocol's primary score, mean over seeds."""
        return sum(one.pass_at_1_trained for one in self.results) / len(self.results)


def tried(study: Study, found: Results) -> list[Tried]:
    """Every grid point of every arm, arm by arm, in the order of the file."""
    points = [
        Tried(name, arm, setting.cells, seeds, tuple(found.of(name, arm)))
        for name, setting in study.settings.items()
        if setting.tunes
        for arm, seeds in setting.arms.items()
    ]
    order = list(dict.fromkeys(point.arm for point in points))
    return sorted(points, key=lambda point: order.index(point.arm))


def picks(points: Sequence[Tried]) -> dict[str, Tried]:
    """By arm the grid point with the best primary score, the first of equals; none while a cell of the arm is missing."""
    chosen = {}
    for arm in dict.fromkeys(point.arm for point in points):
        mine = [point for point in points if point.arm == arm]
        if all(point.complete for point in mine):
            chosen[arm] = max(mine, key=lambda point: point.pass_at_1_trained)
    return chosen


def as_tuned(chosen: Mapping[str, Tried]) -> dict[str, dict[str, Any]]:
    """The picks as a study file's `tuned` has them."""
    return {arm: dict(point.cells) for arm, point in chosen.items()}
