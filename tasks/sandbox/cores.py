"""One core for each worker: its processes take turns, so they lose nothing and wake each other without crossing cores.

Time spent waiting for that core does not count in a program's wall time (`usage.py`), so a core that others use too
makes programs slower, not wrong.
"""

from __future__ import annotations

import os
import threading
from collections import Counter

_workers: Counter[int] = Counter()  # of this process, by core
_lock = threading.Lock()


def take() -> int:
    """The core with the fewest workers of this process; processes begin with different ones."""
    with _lock:
        cores = sorted(os.sched_getaffinity(0))
        first = os.getpid() % len(cores)
        core = min(cores[first:] + cores[:first], key=_workers.__getitem__)
        _workers[core] += 1
    return core


def give_back(core: int) -> None:
    with _lock:
        _workers[core] -= 1
