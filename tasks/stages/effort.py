"""What a stage's work has taken, the tries before this one included."""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping
from contextlib import suppress

import psutil

SECONDS, CPU_SECONDS = "seconds", "cpu_seconds"


class Effort:
    """Wall and CPU seconds since it was made, on top of `before`: what the checkpoint says that is gone on from.

    Work that was lost with a killed process, and is done again, counts once.
    """

    def __init__(self, before: Mapping[str, float]) -> None:
        self._before = before
        self._started = time.monotonic(), _cpu_seconds()

    def told(self) -> dict[str, float]:
        """As a manifest has it."""
        started, cpu_started = self._started
        return {
            SECONDS: round(self._before.get(SECONDS, 0.0) + time.monotonic() - started, 3),
            CPU_SECONDS: round(self._before.get(CPU_SECONDS, 0.0) + _cpu_seconds() - cpu_started, 3),
        }


def _cpu_seconds() -> float:
    """User and system time of this process and of all its descendants, ended or not, the sandbox included."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    spent = sum(usage.ru_utime + usage.ru_stime for usage in used)
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            spent += sum(process.cpu_times()[:4])  # its own, and that of the children it has waited for
    return spent
