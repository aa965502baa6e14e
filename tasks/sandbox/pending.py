"""The handle on a program under way."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from tasks.sandbox.program import CallTests, Limits, Program, StdioTests, Tests, Verdict
from tasks.sandbox.tests_json import tests_to_json

_BUSY_MACHINE = 10  # times its wall time is the longest that a program may take (`zygote.LONGEST_WAIT`)
_GRACE_SECONDS = 30.0  # beyond the limits of the program before a silent worker counts as dead


class Pending:
    """A program whose verdict is not known yet."""

    def __init__(self, program: Program, limits: Limits) -> None:
        self.program, self.limits = program, limits
        self.tests = _text_of(program.tests)
        self.tries = 0
        self.when_known: Callable[[Verdict], Verdict] | None = (
            None  # may keep, compare or replace the verdict
        )
        self._known = threading.Event()
        self._verdict: Verdict | None = None

    def done(self) -> bool:
        return self._known.is_set()

    def result(self) -> Verdict:
        """The verdict; waits for it."""
        self._known.wait()
        assert self._verdict is not None
        return self._verdict

    def set(self, verdict: Verdict) -> None:
        """The verdict is known: wakes who waits for it."""
        self._verdict = self.when_known(verdict) if self.when_known else verdict
        self._known.set()

    def give_up(self, reason: str) -> None:
        self.set(Verdict("no_verdict", 0, self.total(), 0.0, reason))

    def total(self) -> int:
        """Tests of the program."""
        tests = self.program.tests
        return len(tests.cases) if isinstance(tests, CallTests | StdioTests) else len(tests.calls)

    def seconds(self) -> float:
        """The longest that an honest worker can take."""
        tests = self.program.tests
        runs = len(tests.cases) if isinstance(tests, StdioTests) else 1 + self.total()
        return _BUSY_MACHINE * self.limits.wall_seconds * max(1, runs) + _GRACE_SECONDS


_texts: deque[tuple[Tests, str]] = deque(maxlen=64)


def _text_of(tests: Tests) -> str:
    """The tests as text; the same object is usually submitted many times in a row."""
    for known, text in tuple(_texts):
        if known is tests:
            return text
    text = tests_to_json(tests)
    _texts.appendleft((tests, text))
    return text
