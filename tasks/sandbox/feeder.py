"""The thread that keeps one worker busy, and the handle on a program under way."""

from __future__ import annotations

import queue
import threading
from collections import deque

from tasks.errors import BadInput
from tasks.sandbox.process import WorkerDied, WorkerProcess
from tasks.sandbox.program import CallTests, Limits, Program, StdioTests, Tests, Verdict
from tasks.sandbox.tests_json import tests_to_json

_TRIES = 2  # a program whose worker died is tried once more
_AT_ONCE = 2  # programs a worker holds: one runs, one waits in its socket
_GRACE_SECONDS = 30.0  # beyond the limits of the program before a silent worker counts as dead


class Pending:
    """A program whose verdict is not known yet."""

    def __init__(self, program: Program, limits: Limits) -> None:
        self.program, self.limits = program, limits
        self.tests = _text_of(program.tests)
        self.tries = 0
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
        self._verdict = verdict
        self._known.set()

    def give_up(self, reason: str) -> None:
        self.set(Verdict("no_verdict", 0, self.total(), 0.0, reason))

    def total(self) -> int:
        tests = self.program.tests
        return len(tests.cases) if isinstance(tests, CallTests | StdioTests) else len(tests.calls)

    def seconds(self) -> float:
        """The longest that an honest worker can take."""
        tests = self.program.tests
        runs = len(tests.cases) if isinstance(tests, StdioTests) else 1 + self.total()
        return self.limits.wall_seconds * max(1, runs) + _GRACE_SECONDS


_texts: deque[tuple[Tests, str]] = deque(maxlen=64)


def _text_of(tests: Tests) -> str:
    """The tests as text; the same object is usually submitted many times in a row."""
    for known, text in _texts:
        if known is tests:
            return text
    text = tests_to_json(tests)
    _texts.appendleft((tests, text))
    return text


class Feeder:
    """Takes programs from `jobs` for one worker until it gets None."""

    def __init__(
        self,
        jobs: queue.SimpleQueue[Pending | None],
        isolation: str,
        workers: int,
        worker: WorkerProcess | None,
    ) -> None:
        self._jobs, self._isolation, self._workers, self._worker = jobs, isolation, workers, worker
        self._under_way: deque[Pending] = deque()
        self._stopping = False
        self._thread = threading.Thread(target=self._feed, name="sandbox-feeder", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Do not wait for what is under way."""
        self._stopping = True
        if (worker := self._worker) is not None:
            worker.interrupt()

    def join(self) -> None:
        self._thread.join()

    def _feed(self) -> None:
        while not self._stopping:
            try:
                if not self._one_step():
                    break
            except Exception as error:  # a thread that dies would leave callers waiting for ever
                self._give_up(f"the sandbox failed: {type(error).__name__}: {error}")
        self._give_up("the sandbox was closed")

    def _one_step(self) -> bool:
        """Hand over a program, take a verdict, or both. False when there are no more programs."""
        pending = self._jobs.get() if not self._under_way else self._next_if_many()
        if pending is not None:
            self._hand_over(pending)
        elif not self._under_way:
            return False
        if self._under_way and (len(self._under_way) == _AT_ONCE or pending is None):
            self._take_verdict()
        return True

    def _give_up(self, reason: str) -> None:
        for left in self._under_way:
            left.give_up(reason)
        self._under_way.clear()
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()

    def _next_if_many(self) -> Pending | None:
        """A second program for this worker, unless another worker would start on it sooner."""
        try:
            return self._jobs.get_nowait() if self._jobs.qsize() >= self._workers else None
        except queue.Empty:
            return None

    def _hand_over(self, pending: Pending) -> None:
        self._under_way.append(pending)
        try:
            if self._worker is None:
                self._worker = WorkerProcess.start(self._isolation)
            self._worker.send(pending.program.code, pending.tests, pending.limits)
        except (WorkerDied, BadInput) as error:
            self._replace_worker(error)

    def _take_verdict(self) -> None:
        assert self._worker is not None
        try:
            verdict, last = self._worker.receive(self._under_way[0].seconds())
        except WorkerDied as error:
            self._replace_worker(error)
            return
        pending = self._under_way.popleft()
        if verdict.status == "no_verdict" and pending.tries + 1 < _TRIES:
            pending.tries += 1
            self._under_way.append(pending)
            self._worker.send(pending.program.code, pending.tests, pending.limits)
        else:
            pending.set(verdict)
        if last:
            self._worker.end()
            self._worker = None
            self._start_over()

    def _replace_worker(self, error: Exception) -> None:
        """The oldest program is the one that ran when the worker died; it alone is counted as tried."""
        self._worker = None
        if self._stopping or not self._under_way:
            return
        oldest = self._under_way[0]
        oldest.tries += 1
        if isinstance(error, WorkerDied) and error.by_tests:
            self._under_way.popleft().set(_tests_overran(oldest))
        elif oldest.tries >= _TRIES:
            self._under_way.popleft().give_up(f"the sandbox failed twice: {error}")
        self._start_over()

    def _start_over(self) -> None:
        """Give what is under way to a new worker."""
        waiting, self._under_way = list(self._under_way), deque()
        for pending in waiting:
            self._hand_over(pending)


def _tests_overran(pending: Pending) -> Verdict:
    detail = "the tests themselves ran out of CPU time"
    return Verdict("timeout", 0, pending.total(), pending.limits.cpu_seconds, detail)
