"""The caller's side: programs in, verdicts out, in order, while later programs run.

Each worker is a process started by exec (so the size of the caller does not matter) and is fed by a thread of its own,
which waits on a socket nearly all of its time. A worker that dies is replaced; its program is tried once more and then
reported as `no_verdict`.
"""

from __future__ import annotations

import queue
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType

from tasks.errors import BadInput
from tasks.sandbox.feeder import Feeder, Pending
from tasks.sandbox.process import WorkerProcess
from tasks.sandbox.program import Limits, Program, Verdict

ISOLATIONS = ("namespaces", "container", "process")
_AHEAD = 8  # programs per worker that `run` has under way

__all__ = ["ISOLATIONS", "Pending", "Sandbox"]


class Sandbox:
    """Workers that run programs. Open it with `Sandbox.open`, close it with `with` or `close()`."""

    def __init__(self, isolation: str, workers: int, limits: Limits) -> None:
        self.isolation, self.limits, self.workers = isolation, limits, workers
        self._jobs: queue.SimpleQueue[Pending | None] = queue.SimpleQueue()
        first = WorkerProcess.start(isolation)  # says at once when this machine cannot do it
        self._feeders = [
            Feeder(self._jobs, isolation, workers, first if number == 0 else None)
            for number in range(workers)
        ]
        self._closed = False

    @classmethod
    def open(cls, isolation: str = "namespaces", workers: int = 2, limits: Limits | None = None) -> Sandbox:
        """`isolation`: `namespaces`, `container` or `process` (docs/sandbox.md). `limits`: for programs without their own.

        Raises BadInput when this machine does not offer the isolation; the message says what is missing.
        """
        if isolation not in ISOLATIONS:
            raise BadInput("sandbox.isolation", f"is {isolation!r}", ", ".join(ISOLATIONS))
        if workers < 1:
            raise BadInput("sandbox.workers", f"is {workers}", "1 or more")
        if isolation == "process":
            print(
                "warning: sandbox isolation 'process' separates generated code from this machine only weakly; "
                "use 'namespaces' or 'container' for code you do not trust",
                file=sys.stderr,
                flush=True,
            )
        return cls(isolation, workers, limits or Limits())

    def submit(self, program: Program) -> Pending:
        """Start on `program` as soon as a worker is free; the verdict is the handle's `result()`."""
        if self._closed:
            raise BadInput("sandbox", "is closed")
        if not isinstance(program, Program):
            raise BadInput("program", f"is a {type(program).__name__}", "tasks.sandbox.Program")
        pending = Pending(program, program.limits or self.limits)
        self._jobs.put(pending)
        return pending

    def run(self, programs: Iterable[Program]) -> Iterator[Verdict]:
        """Verdicts in the order of `programs`, of which only a bounded number is taken ahead."""
        ahead = _AHEAD * self.workers
        waiting: deque[Pending] = deque()
        for program in programs:
            waiting.append(self.submit(program))
            while waiting and (len(waiting) >= ahead or waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def close(self) -> None:
        """End the workers; programs not yet started get `no_verdict`."""
        if self._closed:
            return
        self._closed = True
        for feeder in self._feeders:
            feeder.stop()
        for _ in self._feeders:
            self._jobs.put(None)
        for feeder in self._feeders:
            feeder.join()
        while not self._jobs.empty():
            if (left := self._jobs.get()) is not None:
                left.give_up("the sandbox was closed")

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
