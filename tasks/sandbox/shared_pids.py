"""Isolations `container` and `process`: no namespaces of our own, programs share process ids with others.

Each program is a process group it cannot leave, as a user of its own where we are root, with no capabilities, the
system-call filter and resource limits. `container` adds landlock and refuses to run without it: the container is the
outer wall, landlock and seccomp the inner ones. `process` runs with whatever of this the platform has.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from tasks.sandbox import kernel, landlock, scratch, seccomp
from tasks.sandbox.identities import may_become
from tasks.sandbox.refused import Refused
from tasks.sandbox.usage import Usage

_FIRST_ID, _IDS = 20_000, 40_000  # users of programs where we are root, chosen by the worker's process id
_OTHERS = 64  # room in the process limit for workers and their helpers


class SharedPids:
    """The same steps as `namespaces.Namespaces`."""

    def __init__(self, strict: bool, folder: str) -> None:
        self.scratch = folder
        self._strict = strict
        user = _FIRST_ID + os.getpid() % _IDS
        self._own_user = user if may_become(user) else None
        self._rules: int | None = None
        self._filtered = False
        self._tasks_of_user = 0
        self.usage = Usage()

    def enter(self) -> None:
        kernel.bring_no_privileges_back()
        if self._own_user is not None:
            os.chown(self.scratch, self._own_user, self._own_user)
            _keep_library_reachable()
        else:
            self._tasks_of_user = _count_tasks(os.geteuid()) + _OTHERS
        try:
            self._rules = kernel.move_away(landlock.ruleset(self.scratch)) if self._strict else None
        except OSError as error:
            raise Refused(
                f"landlock is not available ({error})",
                "Linux 5.13 with landlock in its list of security modules (lsm=landlock,...), or isolation 'namespaces'",
            ) from error
        kernel.hide_memory()

    def settle_examiner(self) -> None:
        """The examiner holds no candidate code and keeps its rights, but for new ones."""
        self.usage.close()

    def settle_server(self) -> None:
        kernel.adopt_orphans()
        self.usage.settle()
        try:
            kernel.install_filter(seccomp.base_filter(kernel.ARCHITECTURE))
            self._filtered = True
        except (KeyError, OSError) as error:
            if self._strict:
                raise Refused(
                    f"seccomp filters are not available ({error!r})", "CONFIG_SECCOMP_FILTER"
                ) from error

    def before_fork(self) -> None:
        """Process ids are not ours to choose here."""

    def confine(self) -> None:
        os.setpgid(0, 0)
        if self._own_user is not None:
            os.setgroups([])
            os.setresgid(self._own_user, self._own_user, self._own_user)
            os.setresuid(self._own_user, self._own_user, self._own_user)
        kernel.drop_capabilities()
        kernel.die_with_parent()
        if self._rules is not None:
            kernel.landlock_restrict(self._rules)
        if self._filtered:
            kernel.install_filter(seccomp.own_signals_filter(kernel.ARCHITECTURE, os.getpid()))

    def process_limit(self, processes: int) -> int:
        """RLIMIT_NPROC counts every task of the user on this machine."""
        return processes + self._tasks_of_user

    def kill_all(self, pid: int) -> bool:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        for stray in [pid] if self._filtered else [pid, *_children()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(stray, signal.SIGKILL)
        return True

    def clean(self) -> None:
        scratch.empty(self.scratch)


def _children() -> list[int]:
    """Children of this process: without the filter a program can leave its group, and is adopted by us."""
    with contextlib.suppress(OSError), open(f"/proc/self/task/{os.getpid()}/children") as listed:
        return [int(pid) for pid in listed.read().split()]
    return []


def _count_tasks(user: int) -> int:
    """Threads of `user` now."""
    count = 0
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == user:
                count += len(os.listdir(f"/proc/{name}/task"))
    return count


def _keep_library_reachable() -> None:
    """Programs run as another user, who may not be able to pass the folders above Python's library (/root/...).

    A descriptor opened now leads there all the same; it is inherited, and read-only to that user.
    """
    for place, path in enumerate(sys.path):
        if os.path.isdir(path):
            folder = kernel.move_away(os.open(path, os.O_PATH | os.O_DIRECTORY), kept=True)
            sys.path[place] = f"/proc/self/fd/{folder}"
    sys.path_importer_cache.clear()
