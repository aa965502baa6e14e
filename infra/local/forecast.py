"""When a run will be done: list scheduling of what is left on the job slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Work:
    """One task instance that is not done: how long it will take from now (seconds), and whether it is running."""

    task: str
    index: int
    seconds: float
    running: bool


def seconds_left(work: Sequence[Work], upstream: Mapping[str, frozenset[str]], slots: int) -> float:
    """Time until all of `work` is done on `slots` slots; what comes first in `work` is started first."""
    running, waiting, now = [w for w in work if w.running], [w for w in work if not w.running], 0.0
    while running or waiting:
        blocking = [*running, *waiting]
        for one in [w for w in waiting if not any(_blocks(other, w, upstream) for other in blocking)]:
            if len(running) < slots:
                waiting.remove(one)
                running.append(one)
        if not running:
            return now  # what is left waits for something that is not part of the work
        step = min(one.seconds for one in running)
        now += step
        running = [replace(one, seconds=one.seconds - step) for one in running if one.seconds > step]
    return now


def _blocks(other: Work, one: Work, upstream: Mapping[str, frozenset[str]]) -> bool:
    """Tasks of one mapped group wait for each other cell by cell."""
    if other.task not in upstream.get(one.task, frozenset()):
        return False
    same_group = "." in one.task and one.task.split(".")[0] == other.task.split(".")[0]
    return other.index == one.index if same_group else True
