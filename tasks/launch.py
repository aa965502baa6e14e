"""Several processes of one stage on this host: what `torchrun --nproc-per-node N -m tasks STAGE ...` does, but with the
stage's own exit code, and every process told to stop when this one is. Several hosts: `torchrun`, see docs/training.md.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence

from tasks.errors import EXIT_TRY_AGAIN

_LOOK_SECONDS = 0.1
_GRACE_SECONDS = 10.0  # what the others have to end in after one has failed


def launched() -> bool:
    """Is this process one of several that a launcher has started?"""
    return "WORLD_SIZE" in os.environ


def follows() -> bool:
    """Is this process one that computes along, and leaves store and tracking to rank 0?"""
    return os.environ.get("RANK", "0") != "0"


def run_together(argv: Sequence[str], processes: int) -> int:
    """Run `python -m tasks ARGV` in `processes` ranks; 0, or the exit code of the first that failed.

    Only rank 0 has this process's stdout. A rank that leaves for another try may still be saving: it is waited for.
    """
    port = free_port()
    children = [_start(argv, rank, processes, port) for rank in range(processes)]

    def pass_on(number: int, _: object) -> None:
        for child in children:
            child.send_signal(number)

    before = signal.signal(signal.SIGTERM, pass_on)
    try:
        return _follow(children)
    finally:
        for child in children:
            child.kill()
            child.wait()
        signal.signal(signal.SIGTERM, before)


def _follow(children: Sequence[subprocess.Popen[bytes]]) -> int:
    """Wait for all of them, or until their time is up after one has failed; 0 or the first failure's exit code."""
    failed, until = 0, float("inf")
    while time.monotonic() < until:
        running = any(child.poll() is None for child in children)
        failed = failed or next((child.returncode for child in children if child.returncode), 0)
        if not running:
            break
        if failed not in (0, EXIT_TRY_AGAIN):
            until = min(until, time.monotonic() + _GRACE_SECONDS)
        time.sleep(_LOOK_SECONDS)
    return failed if failed >= 0 else 128 - failed


def _start(argv: Sequence[str], rank: int, processes: int, port: int) -> subprocess.Popen[bytes]:
    place = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": processes,
        "LOCAL_WORLD_SIZE": processes,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "tasks", *argv],
        env={**os.environ, **{name: str(value) for name, value in place.items()}},
        stdout=subprocess.DEVNULL if rank else None,
    )


def free_port() -> int:
    """A port of this host that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
