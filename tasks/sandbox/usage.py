"""What all processes of a program take together: rlimits hold each of them apart, so thirty could take thirty shares.

Read from /proc while a program lives longer than most. A single process is held by its own limits alone, so
nothing here is ever decided about programs that start no other. Memory that processes share counts in each.
Also how long a program had to wait for a core, which is the machine's fault and not the program's.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from tasks.sandbox import kernel

_TICK = os.sysconf("SC_CLK_TCK")
_CPU_FIELDS = slice(11, 15)  # of /proc/PID/stat after the name: its own and its reaped children's time
_LONGEST_FILE = 8192


@dataclass(frozen=True)
class Spent:
    """CPU seconds and bytes of memory; both 0 when there is at most one process, or /proc tells nothing."""

    cpu_seconds: float = 0.0
    memory: int = 0


class Usage:
    """Open it in the worker, where /proc is still in sight, `settle` it in the fork server, then ask."""

    def __init__(self) -> None:
        self._proc: int | None = None
        self._server = self._examiner = ""
        self._at_fork = 0
        try:
            self._proc = kernel.move_away(os.open("/proc", os.O_PATH | os.O_DIRECTORY))
            self._examiner = os.readlink("self", dir_fd=self._proc)
        except OSError:  # a platform without it
            return

    def settle(self) -> None:
        """In the fork server: programs are its descendants, and start with its memory."""
        try:
            self._server = os.readlink("self", dir_fd=self._proc) if self._proc is not None else ""
        except OSError:
            return
        self._at_fork = self._held(self._server)

    def close(self) -> None:
        """Where no programs are forked."""
        if self._proc is not None:
            os.close(self._proc)
            self._proc = None

    def of_programs(self) -> Spent:
        """All descendants of this process."""
        processes = self._descendants()
        if len(processes) < 2:
            return Spent()
        seconds = sum(self._cpu_seconds(process) for process in processes)
        return Spent(seconds, sum(max(0, self._held(process) - self._at_fork) for process in processes))

    def waited(self) -> float:
        """Seconds that the program and the examiner have been ready to run without a core, since they started."""
        if not self._server:
            return 0.0
        processes = [self._examiner, *self._children(self._server, self._server)]
        return sum(self._delay(process) for process in processes)

    def _delay(self, process: str) -> float:
        """Of the main thread: the second number of schedstat, in nanoseconds."""
        _, *numbers = self._read(f"{process}/schedstat").split()
        return int(numbers[0]) * 1e-9 if numbers else 0.0

    def _descendants(self) -> list[str]:
        found: list[str] = []
        ahead = [self._server] if self._server else []
        while ahead:
            process = ahead.pop()
            children = [child for task in self._tasks(process) for child in self._children(process, task)]
            found += children
            ahead += children
        return found

    def _tasks(self, process: str) -> list[str]:
        try:
            folder = os.open(f"{process}/task", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._proc)
        except OSError:  # it has ended
            return []
        try:
            return os.listdir(folder)
        except OSError:
            return []
        finally:
            os.close(folder)

    def _children(self, process: str, task: str) -> list[str]:
        return self._read(f"{process}/task/{task}/children").split()

    def _cpu_seconds(self, process: str) -> float:
        fields = self._read(f"{process}/stat").rpartition(")")[2].split()
        return sum(int(ticks) for ticks in fields[_CPU_FIELDS]) / _TICK

    def _held(self, process: str) -> int:
        """Bytes of its own memory in use, and of shared mappings whole: those stay alive unused and unseen."""
        status = self._read(f"{process}/status")
        kilobytes = {
            name: int(value.split()[0])
            for name, _, value in (line.partition(":") for line in status.splitlines())
            if name in ("RssAnon", "VmSize", "VmData")
        }
        if len(kilobytes) < 3:  # a zombie
            return 0
        return 1024 * (kilobytes["RssAnon"] + kilobytes["VmSize"] - kilobytes["VmData"])

    def _read(self, path: str) -> str:
        try:
            file = os.open(path, os.O_RDONLY, dir_fd=self._proc)
        except OSError:
            return ""
        try:
            return os.read(file, _LONGEST_FILE).decode("ascii", "replace")
        except OSError:
            return ""
        finally:
            os.close(file)
