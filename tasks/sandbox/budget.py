"""CPU time of the tests themselves: a candidate must not stop the examiner by what it returns.

Interpreted loops are interrupted by an exception; a single long operation in C (say, a power of a huge int) is ended
with the worker by SIGPROF, which the client knows to be the tests' fault (`client.py`). CPU time, so load
on the machine changes nothing.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


class TestsOverran(BaseException):
    """The tests used up their CPU time."""


_armed = False


def prepare() -> None:
    """Once per worker."""
    signal.signal(signal.SIGVTALRM, _overrun)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)


def _overrun(number: int, frame: FrameType | None) -> None:
    if _armed:
        raise TestsOverran


@contextlib.contextmanager
def budget(cpu_seconds: float) -> Iterator[None]:
    """Raises TestsOverran inside when more than `cpu_seconds` are used."""
    global _armed
    signal.setitimer(signal.ITIMER_VIRTUAL, cpu_seconds, cpu_seconds)
    signal.setitimer(signal.ITIMER_PROF, 2 * cpu_seconds + 1)
    _armed = True
    try:
        yield
    finally:
        _armed = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)
