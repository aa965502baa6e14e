"""The thread that keeps one worker busy."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from tasks.errors import BadInput
from tasks.sandbox.pending import Pending
from tasks.sandbox.program import Limits, Verdict

_TRIES = 2  # a program whose worker died is tried once more


class WorkerDied(RuntimeError):
    """The worker is gone. `by_tests`: it was ended because the tests themselves used up their CPU time."""

    def __init__(self, by_tests: bool = False, why: str = "the worker ended") -> None:
        self.by_tests = by_tests
        super().__init__(why)


class Worker(Protocol):
    """A local process (`process.py`) or a connection to a service (`remote.py`)."""

    at_once: int  # programs it holds: one runs, others wait in its socket

    def send(self, code: str, tests: str, limits: Limits) -> None:
        """Queue a job. Raises WorkerDied."""

    def receive(self, seconds: float) -> tuple[Verdict, bool]:
        """The verdict on the oldest job, and whether this was the worker's last. Raises WorkerDied."""

    def interrupt(self) -> None:
        """Make a waiting `receive` return."""

    def end(self) -> None: ...


class Feeder:
    """Takes programs from `jobs` for one worker until it gets None."""

    def __init__(
        self,
        jobs: queue.SimpleQueue[Pending | None],
        start: Callable[[], Worker],
        workers: int,
        worker: Worker | None,
    ) -> None:
        self._jobs, self._start, self._workers, self._worker = jobs, start, workers, worker
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
        if self._worker is not None and (len(self._under_way) >= self._worker.at_once or pending is None):
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
        """A second program for this worker, unless it holds all it can or another worker would start on it sooner.

        One that is tried again is under way already: a connection to a service takes no other beside it.
        """
        if self._worker is not None and len(self._under_way) >= self._worker.at_once:
            return None
        try:
            return self._jobs.get_nowait() if self._jobs.qsize() >= self._workers else None
        except queue.Empty:
            return None

    def _hand_over(self, pending: Pending) -> None:
        self._under_way.append(pending)
        try:
            if self._worker is None:
                self._worker = self._start()
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
        again = verdict.status == "no_verdict" and pending.tries + 1 < _TRIES
        if again:
            pending.tries += 1
        else:
            pending.set(verdict)
        if last:
            self._worker.end()
            self._worker = None
            self._under_way.extend([pending] if again else [])
            self._start_over()
        elif again:
            self._hand_over(pending)

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
