"""The fork server: one process per program, watched, killed with all it has started, and counted.

It is forked from the worker before the first job, so neither it nor what it forks ever held a test. The examiner sends
START (limits, and descriptors of the program's pipes) and later STOP; the server answers with one END per START.
"""

from __future__ import annotations

import contextlib
import gc
import math
import os
import resource
import select
import signal
import socket
import struct
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

from tasks.sandbox import runner
from tasks.sandbox.isolation import Isolation

START = struct.Struct("!ddqqqqB")  # cpu s, wall s, memory, processes, open files, file bytes, is a script
END = struct.Struct("!Bidq?")  # reason, exit code or -signal, cpu s, peak bytes, clean
STOP = b"S"

ENDED, STOPPED, OUT_OF_CPU, OUT_OF_TIME, NOT_STARTED = range(5)

_SHORTEST_NAP = 0.004  # seconds between looks at the CPU clock of a program near its limit
_FRAMES_BELOW = 12  # at most so many of ours are on the stack when a program starts
_CORES = os.cpu_count() or 1


@dataclass(frozen=True)
class Start:
    """One START message. `limits`: resource limits, as for setrlimit."""

    cpu_seconds: float
    wall_seconds: float
    script: bool
    limits: tuple[tuple[int, tuple[int, int]], ...]


@lru_cache(maxsize=64)
def read_start(message: bytes, isolation: Isolation) -> Start:
    cpu_seconds, wall_seconds, memory, processes, open_files, file_bytes, script = START.unpack(message)
    values = {
        # the exact limit is `_watch`'s; this one the program's children have too
        resource.RLIMIT_CPU: math.ceil(cpu_seconds) + 1,
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_NPROC: isolation.process_limit(processes),
        resource.RLIMIT_NOFILE: open_files,
        resource.RLIMIT_FSIZE: file_bytes,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
    }
    limits = tuple((kind, (value, value)) for kind, value in values.items())
    return Start(cpu_seconds, wall_seconds, bool(script), limits)


def serve(control: socket.socket, isolation: Isolation) -> NoReturn:
    """Fork programs until the examiner goes away. Ends the process."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(
                number, signal.SIG_DFL
            )  # process 1 of a pid namespace ignores what it does not handle
        runner.prepare_interpreter(isolation.scratch)
        gc.collect()
        gc.freeze()
        gc.disable()
        faults = Faults()
        while _one_program(control, isolation, faults):
            pass
    finally:
        os._exit(0)


class Faults:
    """How a program's process says that it could not be set up. Its end is closed before the code is known."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def close(self) -> None:
        os.close(self._read)
        os.close(self._write)

    def report(self) -> None:
        os.write(self._write, b"!")

    def reported(self) -> bool:
        try:
            return bool(os.read(self._read, 1))
        except BlockingIOError:
            return False


def _one_program(control: socket.socket, isolation: Isolation, faults: Faults) -> bool:
    message, descriptors, _, _ = socket.recv_fds(control, START.size, 4)
    if len(message) < START.size:
        return False
    start = read_start(message, isolation)
    isolation.before_fork()
    try:
        pid = os.fork()
    except OSError as error:
        _close(descriptors)
        control.sendall(END.pack(NOT_STARTED, error.errno or 0, 0.0, 0, True))
        return bool(control.recv(1))
    if pid == 0:
        try:
            control.close()
            _become_program(start, descriptors, isolation, faults)
        finally:
            os._exit(1)
    _close(descriptors)
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)  # as the child does: whichever is first
    reason = _watch(pid, control, start)
    end = _end(pid, isolation)
    control.sendall(END.pack(NOT_STARTED if faults.reported() else reason, *end))
    return reason == STOPPED or bool(control.recv(1))


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _watch(pid: int, control: socket.socket, start: Start) -> int:
    """Wait until the program ends, the examiner wants it stopped, or a limit is passed. Returns the reason."""
    handle = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.register(control.fileno(), select.POLLIN)
        deadline = time.monotonic() + start.wall_seconds
        while True:
            cpu_left, wall_left = start.cpu_seconds - cpu_time(pid), deadline - time.monotonic()
            if cpu_left <= 0:
                return OUT_OF_CPU
            if wall_left <= 0:
                return OUT_OF_TIME
            nap = max(_SHORTEST_NAP, min(cpu_left / _CORES, wall_left))
            ready = {descriptor for descriptor, _ in poll.poll(math.ceil(nap * 1000))}
            if control.fileno() in ready:
                control.recv(1)
                return STOPPED
            if ready:
                return ENDED
    finally:
        os.close(handle)


def cpu_time(pid: int) -> float:
    """CPU seconds of all threads of process `pid` so far; 0 when it is gone."""
    try:
        return time.clock_gettime((~pid << 3) | 2)  # the kernel's encoding of a process's CPU clock
    except OSError:
        return 0.0


def _end(pid: int, isolation: Isolation) -> tuple[int, float, int, bool]:
    """Kill and reap everything; the rest of END."""
    exit_code, seconds, peak = 0, 0.0, 0
    while True:
        isolation.kill_all(pid)
        try:
            child, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            break
        seconds += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss * 1024)
        if child == pid:
            exit_code = os.waitstatus_to_exitcode(status)
    try:
        isolation.clean()
        clean = True
    except OSError:
        clean = False
    return exit_code, seconds, peak, clean


def _become_program(start: Start, descriptors: list[int], isolation: Isolation, faults: Faults) -> NoReturn:
    """In the child: nothing of the server's is left open, limits are set, then the code is read and run."""
    channel, *standard = descriptors
    try:
        for target, descriptor in enumerate(standard):
            os.dup2(descriptor, target)
            os.close(descriptor)
        for kind, value in start.limits:
            resource.setrlimit(kind, value)
        isolation.confine()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        gc.enable()
    except BaseException:
        faults.report()
        raise
    faults.close()
    runner.run(channel, start.script, _FRAMES_BELOW)
