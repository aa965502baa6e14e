"""The fork server: one process per program, watched, killed with all it has started, and counted.

It is forked from the worker before the first job, so neither it nor what it forks ever held a test. The examiner sends
START (limits, and descriptors of the program's pipes) and later STOP; the server answers with one END per START.

Speed is counted in memory pages here: after a fork every page that either side writes to (and a look at a Python
object is a write) is copied. So the child does as little as possible before the program's code, and the server does
as little as possible while the child lives.
"""

from __future__ import annotations

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

from tasks.sandbox import kernel, runner
from tasks.sandbox.isolation import Isolation

START = struct.Struct("!ddqqqqB")  # cpu s, wall s, memory, processes, open files, file bytes, is a script
END = struct.Struct("!Bidq?")  # reason, exit code or -signal, cpu s, peak bytes, may be used again
STOP = b"S"

ENDED, STOPPED, OUT_OF_CPU, OUT_OF_TIME, OUT_OF_MEMORY, NOT_STARTED = range(6)

LONGEST_WAIT = 9  # times the wall time: how long a program may wait for a core on top of it
_SHORTEST_NAP = 0.004  # seconds between looks at the CPU clock of a program near its limit
_LONGEST_NAP = 0.1  # seconds between looks at what its processes take together
_FRAMES_BELOW = 12  # at most so many of ours are on the stack when a program starts
_CORES = os.cpu_count() or 1
_CHANNEL = 3  # where a program's process answers; 0, 1, 2 are its standard streams, it has no other
_DESCRIPTORS = 4  # that come with a START and take these numbers by themselves: the server keeps them free
_SPACE = socket.CMSG_SPACE(_DESCRIPTORS * 4)
_SERVERS_OWN = {
    resource.RLIMIT_AS: 256 << 20,
    resource.RLIMIT_NOFILE: 64,
}  # the server itself needs that much

ResourceLimits = tuple[tuple[int, tuple[int, int]], ...]


@dataclass(frozen=True)
class Start:
    """One START message. `limits`: as for setrlimit, without CPU time; `first_nap`: ms that nothing can run out in."""

    cpu_seconds: float
    wall_seconds: float
    script: bool
    memory: int
    cpu_limit: tuple[int, int]
    limits: ResourceLimits
    first_nap: int


@lru_cache(maxsize=64)
def read_start(message: bytes, isolation: Isolation) -> Start:
    cpu_seconds, wall_seconds, memory, processes, open_files, file_bytes, script = START.unpack(message)
    values = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_NPROC: isolation.process_limit(processes),
        resource.RLIMIT_NOFILE: open_files,
        resource.RLIMIT_FSIZE: file_bytes,
        resource.RLIMIT_CORE: 1,  # byte: no file, and unlike 0 the host's crash handler is not called either
        resource.RLIMIT_MEMLOCK: 0,
    }
    limits = tuple((kind, (value, value)) for kind, value in values.items())
    cpu = (
        math.ceil(cpu_seconds) + 1
    )  # the exact limit is `_watch`'s; this one the program's children have too
    nap = math.ceil(1000 * min(cpu_seconds / _CORES, wall_seconds, _LONGEST_NAP))
    return Start(cpu_seconds, wall_seconds, bool(script), memory, (cpu, cpu), limits, nap)


def serve(control: socket.socket, isolation: Isolation) -> NoReturn:
    """Fork programs until the examiner goes away. Ends the process."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(
                number, signal.SIG_DFL
            )  # process 1 of a pid namespace ignores what it does not handle
        runner.prepare_interpreter(isolation.scratch, _FRAMES_BELOW)
        server = Server(control, isolation)
        gc.collect()
        gc.freeze()
        gc.disable()
        while server.one_program():
            pass
    finally:
        os._exit(0)


class Server:
    """The state of the fork server."""

    def __init__(self, control: socket.socket, isolation: Isolation) -> None:
        self._control = socket.socket(fileno=kernel.move_away(control.detach()))
        self._isolation = isolation
        self._poll = select.poll()
        self._poll.register(self._control.fileno(), select.POLLIN)
        # how a program's process says that it could not be set up; closed there before the code is known
        faults = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._read_faults, self._write_faults = (kernel.move_away(descriptor) for descriptor in faults)
        self._faults = select.poll()
        self._faults.register(self._read_faults, select.POLLIN)
        self._own_limits: ResourceLimits = ()
        self._inherited: Start | None = None  # the last START whose limits were compared with our own
        self._all_inherited = False
        os.closerange(0, kernel.OWN_DESCRIPTORS.start)

    def one_program(self) -> bool:
        """Serve one START; False when the examiner has gone, or must replace us."""
        message, _, _, _ = self._control.recvmsg(START.size, _SPACE)
        if len(message) < START.size:
            return False
        start = read_start(message, self._isolation)
        if start is not self._inherited:
            if not self._inherits(start.limits):
                return self._report(NOT_STARTED, 0, 0.0, 0, False)
            self._inherited, self._all_inherited = start, start.limits == self._own_limits
        self._isolation.before_fork()
        deadline = time.monotonic() + start.wall_seconds
        try:
            pid = os.fork()
        except OSError as error:
            return self._report(NOT_STARTED, error.errno or 0, 0.0, 0, True)
        if pid == 0:
            self._become_program(start)
        reason = self._watch(pid, start, deadline)
        end = self._end(pid)
        return self._report(NOT_STARTED if self._faulty() else reason, *end, stopped=reason == STOPPED)

    def _inherits(self, limits: ResourceLimits) -> bool:
        """Limits that this process has, its children need not set. They can never be raised again: then False."""
        if not self._own_limits:
            self._own_limits = tuple(
                (kind, (max(value, _SERVERS_OWN.get(kind, 0)),) * 2) for kind, (value, _) in limits
            )
            for kind, value in self._own_limits:
                resource.setrlimit(kind, value)
        return all(wanted <= own for (_, wanted), (_, own) in zip(limits, self._own_limits, strict=True))

    def _become_program(self, start: Start) -> NoReturn:
        """In the child: nothing of the server's is left open, limits are set, then the code is read and run."""
        try:
            try:
                self._isolation.confine()
                resource.setrlimit(resource.RLIMIT_CPU, start.cpu_limit)
                if not self._all_inherited:
                    for kind, value in start.limits:
                        resource.setrlimit(kind, value)
            except BaseException:
                os.write(self._write_faults, b"!")
                raise
            os.closerange(_DESCRIPTORS, kernel.OWN_DESCRIPTORS.stop)
            gc.enable()
            runner.run(_CHANNEL, start.script)
        finally:
            os._exit(1)

    def _watch(self, pid: int, start: Start, deadline: float) -> int:
        """Wait until the program ends, the examiner wants it stopped, or a limit is passed. Returns the reason."""
        os.closerange(0, _DESCRIPTORS)
        handle = os.pidfd_open(pid)
        self._poll.register(handle, select.POLLIN)
        try:
            ready = self._poll.poll(start.first_nap)
            waited = 0.0 if ready else self._isolation.usage.waited()
            while not ready:
                spent = self._isolation.usage.of_programs()
                cpu_left = start.cpu_seconds - max(cpu_time(pid), spent.cpu_seconds)
                wall_left = deadline - time.monotonic()
                if wall_left <= 0:
                    wall_left += min(
                        self._isolation.usage.waited() - waited, LONGEST_WAIT * start.wall_seconds
                    )
                if spent.memory > start.memory:
                    return OUT_OF_MEMORY
                if cpu_left <= 0:
                    return OUT_OF_CPU
                if wall_left <= 0:
                    return OUT_OF_TIME
                nap = max(_SHORTEST_NAP, min(cpu_left / _CORES, wall_left, _LONGEST_NAP))
                ready = self._poll.poll(math.ceil(nap * 1000))
        finally:
            self._poll.unregister(handle)
            os.close(handle)
        if any(descriptor != handle for descriptor, _ in ready):
            self._control.recv(1)
            return STOPPED
        return ENDED

    def _end(self, pid: int) -> tuple[int, float, int, bool]:
        """Kill and reap everything; the rest of END."""
        exit_code, seconds, peak = 0, 0.0, 0
        while self._isolation.kill_all(pid):
            try:
                child, status, usage = os.wait4(-1, 0)
            except ChildProcessError:
                break
            seconds += usage.ru_utime + usage.ru_stime
            peak = max(peak, usage.ru_maxrss * 1024)
            if child == pid:
                exit_code = os.waitstatus_to_exitcode(status)
        try:
            self._isolation.clean()
        except OSError:
            return exit_code, seconds, peak, False
        return exit_code, seconds, peak, True

    def _faulty(self) -> bool:
        return bool(self._faults.poll(0)) and bool(os.read(self._read_faults, 1))

    def _report(
        self, reason: int, exit_code: int, seconds: float, peak: int, clean: bool, stopped: bool = False
    ) -> bool:
        """Send END and wait for the STOP that belongs to it, unless it has come already."""
        os.closerange(0, _DESCRIPTORS)
        self._control.sendall(END.pack(reason, exit_code, seconds, peak, clean))
        return (stopped or bool(self._control.recv(1))) and clean


def cpu_time(pid: int) -> float:
    """CPU seconds of all threads of process `pid` so far; 0 when it is gone."""
    try:
        return time.clock_gettime((~pid << 3) | 2)  # the kernel's encoding of a process's CPU clock
    except OSError:
        return 0.0
