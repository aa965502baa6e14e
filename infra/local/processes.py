"""Start, find and stop the stack's processes.

Every process of a stack carries `PSGPO_STACK=<state folder>` in its environment, and so do all its children: Airflow's
workers, jobs, sandboxes. That mark, not a process id that may have been given to another program since, says what
belongs to the stack; nothing else is ever signalled.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

MARK = "PSGPO_STACK"
# Without it, processes that set their title overwrite the memory their environment is read from.
_KEEP_ENVIRONMENT = {"SPT_NOENV": "1"}


def start(
    name: str, argv: Sequence[str], environment: Mapping[str, str], state: Path
) -> subprocess.Popen[bytes]:
    """Start one component in a session of its own; its output goes to `<state>/logs/<name>.log`."""
    log = state / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        return subprocess.Popen(
            argv,
            env={**environment, **_KEEP_ENVIRONMENT, MARK: str(state)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def running(state: Path) -> list[psutil.Process]:
    """All live processes of the stack, oldest first, processes that hide their environment included by descent."""
    marked = [process for process in psutil.process_iter() if _mark_of(process) == str(state)]
    found = {
        process.pid: process for process in [*marked, *_descendants(marked)] if process.pid != os.getpid()
    }
    return sorted((p for p in found.values() if _alive(p)), key=lambda p: p.pid)


def stop(state: Path, patience: float = 15.0) -> int:
    """End all processes of the stack; returns how many there were.

    Leaders are asked first (a job then saves its checkpoint); what is left when `patience` seconds are over is killed.
    """
    first = running(state)
    for process in first:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + patience
    while (left := running(state)) and time.monotonic() < deadline:
        time.sleep(0.1)
    while left:
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        time.sleep(0.1)
        left = running(state)
    return len(first)


def _mark_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None


def _descendants(processes: Sequence[psutil.Process]) -> Iterator[psutil.Process]:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            yield from process.children(recursive=True)


def _alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
