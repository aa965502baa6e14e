"""Progress of a stage on stderr: a bar on a terminal, plain lines in logs.

A line in a log reads `progress sft 120/600 20% eta 45s  loss 1.23`; `make demo` follows these lines.
"""

from __future__ import annotations

import sys
import time
from typing import TextIO


class Progress:
    """`progress(done, total, note)`; in logs at most one line every `every` seconds, and always the last."""

    def __init__(self, label: str, stream: TextIO | None = None, every: float = 5.0) -> None:
        self.label, self.stream, self.every = label, stream or sys.stderr, every
        self.started = self.printed = time.monotonic()
        self.first: int | None = None

    def __call__(self, done: int, total: int, note: str = "") -> None:
        now = time.monotonic()
        if self.first is None:
            self.first = done
        if done < total and now - self.printed < self.every and not self.stream.isatty():
            return
        self.printed = now
        line = f"progress {self.label} {done}/{total} {100 * done // max(total, 1)}% {self._eta(done, total, now)} {note}"
        end = "\r" if self.stream.isatty() and done < total else "\n"
        print(line.rstrip(), file=self.stream, end=end, flush=True)

    def _eta(self, done: int, total: int, now: float) -> str:
        advanced = done - (self.first or 0)
        if done >= total:
            return f"took {now - self.started:.0f}s"
        return f"eta {(now - self.started) * (total - done) / advanced:.0f}s" if advanced > 0 else "eta ?"
