"""Progress of a run on a terminal (redrawn in place) or in a log (a line when something ends, and now and then)."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

from infra.local.following import Running, Snapshot

_LOG_EVERY = 30.0
_BAR = 30


class Display:
    """Call `show` with every snapshot, `close` at the end."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream, self._drawn, self._told, self._printed = stream, 0, set[str](), 0.0

    def show(self, snapshot: Snapshot) -> None:
        fresh = [name for name in snapshot.ended if name not in self._told]
        self._told.update(fresh)
        if self._stream.isatty():
            self._redraw(snapshot)
        elif fresh or time.monotonic() - self._printed > _LOG_EVERY:
            self._printed = time.monotonic()
            ended = "; ".join(f"{name} {_WORDS.get(snapshot.ended[name], 'failed')}" for name in fresh)
            running = ", ".join(f"{one.name} {one.share:.0%}" for one in snapshot.running)
            self._write(" | ".join(part for part in (_headline(snapshot), ended, running) if part) + "\n")

    def close(self) -> None:
        if self._drawn:
            self._write("\n")

    def _redraw(self, snapshot: Snapshot) -> None:
        width = shutil.get_terminal_size().columns - 1
        filled = round(_BAR * snapshot.share)
        lines = [f"[{'#' * filled}{'.' * (_BAR - filled)}] {_headline(snapshot)}"]
        lines += [_job_line(one) for one in snapshot.running]
        up = f"\x1b[{self._drawn - 1}A" if self._drawn > 1 else ""
        self._write(f"\r{up}\x1b[J" + "\n".join(line[:width] for line in lines))
        self._drawn = len(lines)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


_WORDS = {"success": "done", "skipped": "skipped"}


def clock(seconds: float) -> str:
    """Minutes and seconds, `4:05`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _headline(snapshot: Snapshot) -> str:
    eta = "planning" if snapshot.left is None else f"eta {clock(snapshot.left)}"
    return f"{clock(snapshot.elapsed)}  {snapshot.share:4.0%}  {eta}"


def _job_line(job: Running) -> str:
    eta = f"eta {clock(job.left)}" if job.left is not None else ""
    return f"  {job.name:34} {job.share:4.0%}  {eta:10} {job.note}"
