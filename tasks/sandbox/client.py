"""The caller's side: programs in, verdicts out, in order, while later programs run.

Each worker is a process started by exec (so the size of the caller does not matter) and is fed by a thread of its own,
which waits on a socket nearly all of its time. A worker that dies is replaced; its program is tried once more and then
reported as `no_verdict`.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from tasks.errors import BadInput
from tasks.sandbox.feeder import Feeder, Worker
from tasks.sandbox.pending import Pending
from tasks.sandbox.program import Limits, Program, Verdict

if TYPE_CHECKING:
    from tasks.sandbox.cache import VerdictCache

ISOLATIONS = ("namespaces", "container", "process")
_AHEAD = 8  # programs per worker that `run` has under way
_PROCESS_WARNING = (
    "warning: sandbox isolation 'process' separates generated code from this machine only weakly; "
    "use 'namespaces' or 'container' for code you do not trust"
)


class Sandbox:
    """Workers that run programs. Open it with `Sandbox.open`, close it with `with` or `close()`.

    `isolation` says what separates the programs (a service's own, with `address`); `flaky` lists programs whose
    verdict changed when it was made again (`cache.py`). Threads may share one sandbox.
    """

    def __init__(
        self, isolation: str, start: Callable[[], Worker], workers: int, limits: Limits, cache: Path | None
    ) -> None:
        self.isolation, self.limits, self.workers = isolation, limits, workers
        self.flaky: list[str] = []
        self._jobs: queue.SimpleQueue[Pending | None] = queue.SimpleQueue()
        first = start()  # says at once when this machine cannot do it
        self._cache = _open_cache(cache, isolation, self.flaky)
        self._feeders = [
            Feeder(self._jobs, start, workers, first if n == 0 else None) for n in range(workers)
        ]
        self._closed, self._lock = False, threading.Lock()

    @classmethod
    def open(
        cls,
        isolation: str = "namespaces",
        workers: int = 2,
        limits: Limits | None = None,
        address: str | None = None,
        cache: Path | None = None,
    ) -> Sandbox:
        """Start `workers` workers here, or connect to the service at `address` (`unix:PATH`, `http://HOST:PORT`).

        `isolation`: `namespaces`, `container` or `process` (docs/sandbox.md); a service has its own. `limits`: for
        programs that bring none. `cache`: folder of the execution cache; without one every program is run.

        Raises BadInput when this machine does not offer the isolation (the message says what is missing), or when no
        service answers.
        """
        limits = limits or Limits()
        if address is not None:
            from tasks.sandbox.remote import RemoteWorker, ask_service

            about = ask_service(address)
            return cls(about.isolation, lambda: RemoteWorker(address), about.workers, limits, cache)
        if isolation not in ISOLATIONS:
            raise BadInput("sandbox.isolation", f"is {isolation!r}", ", ".join(ISOLATIONS))
        if workers < 1:
            raise BadInput("sandbox.workers", f"is {workers}", "1 or more")
        if isolation == "process":
            print(_PROCESS_WARNING, file=sys.stderr, flush=True)
        from tasks.sandbox.process import WorkerProcess

        return cls(isolation, lambda: WorkerProcess.start(isolation), workers, limits, cache)

    def submit(self, program: Program) -> Pending:
        """Start on `program` as soon as a worker is free; the verdict is the handle's `result()`."""
        if not isinstance(program, Program):
            raise BadInput("program", f"is a {type(program).__name__}", "tasks.sandbox.Program")
        pending = Pending(program, program.limits or self.limits)
        with self._lock:
            if self._closed:
                raise BadInput("sandbox", "is closed")
            known = self._cache.find(pending) if self._cache else None
            if known is None:
                self._jobs.put(pending)
        return known or pending

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
        """End the workers; programs without a verdict get `no_verdict`."""
        with self._lock:
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
        if self._cache is not None:
            self._cache.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _open_cache(folder: Path | None, isolation: str, flaky: list[str]) -> VerdictCache | None:
    if folder is None:
        return None
    from tasks.sandbox.cache import VerdictCache

    return VerdictCache(folder, isolation, flaky)
