"""One worker process and the socket to it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import BadInput
from tasks.sandbox import cores, frames, scratch
from tasks.sandbox.feeder import WorkerDied
from tasks.sandbox.program import Limits, Verdict

if TYPE_CHECKING:
    import subprocess

_SCRIPT = Path(__file__).with_name("start_worker.py")
_START_SECONDS = 60.0
_END_SECONDS = 5.0
# no site-packages, no current folder on the path
_INTERPRETER = ("-S", "-s", "-P", "-X", "utf8")
# The worker inherits nothing of the caller's environment. Sets keep one order; threads share one arena, which counts
# in the memory limit; symbols are bound once, not in every fork.
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "MALLOC_ARENA_MAX": "1",
    "LD_BIND_NOW": "1",
}


class WorkerProcess:
    """A running worker on this machine."""

    at_once = 2

    def __init__(self, process: subprocess.Popen[bytes], sock: socket.socket, folder: str, core: int) -> None:
        self._process, self._socket, self._scratch = process, sock, folder
        self._core: int | None = core

    @classmethod
    def start(cls, isolation: str) -> WorkerProcess:
        """Raises BadInput when the isolation is not available here, WorkerDied when it does not answer."""
        import subprocess
        import tempfile

        ours, theirs = socket.socketpair()
        folder = tempfile.mkdtemp(prefix="psgpo-sandbox-")
        process = subprocess.Popen(
            [getattr(sys, "_base_executable", sys.executable), *_INTERPRETER, str(_SCRIPT)],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
        theirs.close()
        core = cores.take()
        worker = cls(process, ours, folder, core)
        ours.settimeout(_START_SECONDS)
        try:
            frames.send_json(ours, {"isolation": isolation, "scratch": folder, "core": core})
            answer = frames.receive_json(ours)
        except OSError:
            answer = None
        if answer is None or "missing" in answer:
            worker.end()
            if answer is None:
                raise WorkerDied
            raise BadInput(f"sandbox.isolation {isolation}", answer["missing"], answer["remedy"])
        return worker

    def send(self, code: str, tests: str, limits: Limits) -> None:
        try:
            self._socket.settimeout(None)
            job = {"code": code, "limits": list(vars(limits).values())}
            self._socket.sendall(frames.pack_json(job) + frames.pack(tests.encode()))
        except OSError:
            raise self._died() from None

    def receive(self, seconds: float) -> tuple[Verdict, bool]:
        try:
            self._socket.settimeout(seconds)
            answer = frames.receive_json(self._socket)
        except OSError:
            answer = None
        if answer is None:
            raise self._died()
        return Verdict(*answer["verdict"]), bool(answer["last"])

    def _died(self) -> WorkerDied:
        self.end()
        return WorkerDied(self._process.returncode == -signal.SIGPROF)

    def interrupt(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def end(self) -> None:
        """Close, wait, and kill if it does not go by itself."""
        from subprocess import TimeoutExpired

        if self._core is not None:
            cores.give_back(self._core)
            self._core = None
        self._socket.close()
        try:
            self._process.wait(_END_SECONDS)
        except TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with contextlib.suppress(OSError):
            scratch.empty(self._scratch)
            os.rmdir(self._scratch)

    @property
    def pid(self) -> int:
        return self._process.pid
