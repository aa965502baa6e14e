"""How far a large transfer is: a line that is redrawn on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import threading
import time
from typing import TextIO

LARGE_BYTES = 64 << 20  # smaller ones are over before anybody asks
_TERMINAL_SECONDS, _LOG_SECONDS = 0.2, 10.0
_MB = 1 << 20


class TransferProgress:
    """Call it with the number of bytes that went over since the last call, from any thread; `size` 0: not known."""

    def __init__(self, what: str, size: int = 0, stream: TextIO | None = None) -> None:
        self._what, self._size = what, size
        self._stream = stream or sys.stderr
        self._every = _TERMINAL_SECONDS if self._stream.isatty() else _LOG_SECONDS
        self._done, self._lock = 0, threading.Lock()
        self._began = self._told = time.monotonic()

    def __call__(self, count: int) -> None:
        with self._lock:
            self._done += count
            now = time.monotonic()
            over = self._done == self._size
            if max(self._size, self._done) >= LARGE_BYTES and (over or now - self._told > self._every):
                self._told = now
                self._tell(now - self._began, over)

    def _tell(self, seconds: float, over: bool) -> None:
        rate = self._done / _MB / max(seconds, 1e-9)
        of = f" of {self._size // _MB}" if self._size else ""
        line = f"{self._what}: {self._done // _MB}{of} MB, {rate:.0f} MB/s"
        if self._stream.isatty():
            self._stream.write(f"\r{line}\x1b[K" + ("\n" if over else ""))
        else:
            self._stream.write(line + "\n")
        self._stream.flush()
