"""Run a job as a process: its lines as they come, its limits held, its result line at the end.

The job gets a session of its own, so that it ends with everything it started, and a folder for temporary files, so
that a job that is killed leaves none (a checkpoint under way may be gigabytes). On Linux it is also told to stop
(SIGTERM, so it saves a checkpoint) when the process that runs it dies without a word.
"""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

import psutil

from tasks.jobs import ProcessCall

_LOOK_SECONDS = 0.5
_MEMORY_EVERY = 2.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Outcome:
    """How a job ended. `stopped` says why the runner ended it (empty: it ended itself); `envelope` is its result line."""

    code: int
    stopped: str
    envelope: dict[str, Any] | None


class JobProcess:
    """One job. `run` blocks; `stop` may be called from a signal handler meanwhile."""

    def __init__(self, call: ProcessCall, grace: float = 30.0) -> None:
        self._call, self._grace = call, grace
        self._process: subprocess.Popen[bytes] | None = None
        self._reason, self._kill_at = "", float("inf")

    def run(self, on_line: Callable[[str], None]) -> Outcome:
        """Start the job and follow it to its end; every line on its stderr goes to `on_line`."""
        with (
            tempfile.TemporaryFile() as output,
            tempfile.TemporaryDirectory(prefix="psgpo-job-", ignore_cleanup_errors=True) as scratch,
        ):
            process = self._process = subprocess.Popen(
                self._call.argv,
                env={**self._call.env, "TMPDIR": scratch},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.PIPE,
                start_new_session=True,
                preexec_fn=_stop_with_parent,
            )
            try:
                assert process.stderr is not None
                self._follow(process, process.stderr, on_line)
            finally:
                self._end_group(process)
            output.seek(0)
            return Outcome(process.returncode, self._reason, last_object(output.read()))

    def stop(self, reason: str) -> None:
        """Ask the job to end; it is killed when it has not after the grace period."""
        if self._process is not None and not self._reason:
            self._reason, self._kill_at = reason, time.monotonic() + self._grace
            _signal_group(self._process, signal.SIGTERM)

    def _follow(
        self, process: subprocess.Popen[bytes], lines: IO[bytes], on_line: Callable[[str], None]
    ) -> None:
        started = looked = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(lines, selectors.EVENT_READ)
            reader = _LineReader(lines.fileno(), on_line)
            while process.poll() is None:
                if selector.get_map() and selector.select(_LOOK_SECONDS) and not reader.read():
                    selector.unregister(lines)
                elif not selector.get_map():
                    time.sleep(_LOOK_SECONDS)
                now = time.monotonic()
                if now - started > self._call.timeout_seconds:
                    self.stop(f"timeout: not done after {self._call.timeout_seconds:.0f} s")
                if now - looked > _MEMORY_EVERY:
                    looked = now
                    self._check_memory(process)
                if now > self._kill_at:
                    _signal_group(process, signal.SIGKILL)
            while selector.get_map() and selector.select(0) and reader.read():
                pass
            reader.finish()

    def _check_memory(self, process: subprocess.Popen[bytes]) -> None:
        used = _memory_mb(process.pid)
        if used > self._call.memory_mb:
            self.stop(f"memory: {used:.0f} MB used, limit {self._call.memory_mb} MB")
            self._kill_at = 0.0

    def _end_group(self, process: subprocess.Popen[bytes]) -> None:
        """Whatever happened, nothing of the job is left; the grace period is given only to a job still running."""
        if process.poll() is None:
            self.stop("the task was interrupted")
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, self._kill_at - time.monotonic()))
        _signal_group(process, signal.SIGKILL)
        process.wait()


class _LineReader:
    """Bytes from a descriptor, handed on line by line; carriage returns end lines too."""

    def __init__(self, descriptor: int, on_line: Callable[[str], None]) -> None:
        self._descriptor, self._on_line, self._rest = descriptor, on_line, b""

    def read(self) -> bool:
        """Read what is there; False at the end of the stream."""
        chunk = os.read(self._descriptor, 1 << 16)
        *lines, self._rest = (self._rest + chunk).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            self._hand_on(line)
        return bool(chunk)

    def finish(self) -> None:
        self._hand_on(self._rest)

    def _hand_on(self, line: bytes) -> None:
        if line.strip():
            self._on_line(line.decode(errors="replace").rstrip())


def _stop_with_parent() -> None:
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _memory_mb(pid: int) -> float:
    """Memory of a process and its descendants that is theirs, shared libraries and files left out."""
    total = 0
    with suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.Error):
                memory = process.memory_info()
                total += memory.rss - getattr(memory, "shared", 0)
    return total / 2**20


def last_object(output: bytes) -> dict[str, Any] | None:
    """The JSON object on the last line, or None."""
    lines = output.splitlines()
    try:
        last = json.loads(lines[-1]) if lines else None
    except ValueError:
        return None
    return last if isinstance(last, dict) else None
