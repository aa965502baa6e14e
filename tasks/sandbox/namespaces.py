"""Isolation `namespaces`: the worker's own user, mount, pid, network, ipc, uts and cgroup namespaces.

Entered once per worker, so it costs nothing per program. Inside there is a root of our own: the Python library
and the system's shared libraries read-only, four device files, and one small writable file system for
temporary files. The fork server is process 1 of the pid namespace: programs cannot signal it, and
one `kill(-1)` ends everything a program has started.
"""

from __future__ import annotations

import contextlib
import os
import sys

from tasks.sandbox import kernel, scratch, seccomp
from tasks.sandbox.identities import may_become
from tasks.sandbox.refused import Refused
from tasks.sandbox.usage import Usage

INSIDE_ID = 1000  # user and group of programs, as they see it
_OUTSIDE_ID = 65534  # what it is outside when we are root: nobody
_SCRATCH = "/tmp"  # noqa: S108 - inside our own root
_SCRATCH_SIZE = "64m"
_SCRATCH_FILES = 4096
_DEVICES = ("null", "zero", "random", "urandom")
_LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/lib", "/lib64", "/etc/ld.so.cache")
_NAMESPACES = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWCGROUP
)
_REMEDY = (
    "allow user namespaces (sysctl user.max_user_namespaces > 0; on Debian kernel.unprivileged_userns_clone=1; on Ubuntu "
    "kernel.apparmor_restrict_unprivileged_userns=0), give the container a seccomp profile that allows unshare and mount, "
    "or use isolation 'container' inside a container; isolation 'process' separates much less"
)


class Namespaces:
    """One worker's isolation. The methods are called in the process and the order they are listed in."""

    def __init__(self) -> None:
        self.scratch = _SCRATCH
        self._as_root = may_become(_OUTSIDE_ID)
        self._last_pid: int | None = None
        self.usage = Usage()

    def enter(self) -> None:
        """In the worker, before the fork server exists. Raises Refused."""
        with contextlib.suppress(OSError):
            self._last_pid = kernel.move_away(os.open("/proc/sys/kernel/ns_last_pid", os.O_WRONLY))
        try:
            _unshare_with_maps(self._as_root)
        except OSError as error:
            raise Refused(f"user namespaces are not available ({error})", _REMEDY) from error
        try:
            _build_root()
        except OSError as error:
            raise Refused(f"a mount namespace of our own is not available ({error})", _REMEDY) from error
        if self._as_root:
            os.setgroups([])
        kernel.bring_no_privileges_back()
        kernel.hide_memory()

    def settle_examiner(self) -> None:
        """In the worker, after the fork server exists: needs no privilege any more."""
        if self._last_pid is not None:
            os.close(self._last_pid)
        self.usage.close()
        kernel.drop_capabilities()
        _install_filter()

    def settle_server(self) -> None:
        """In the fork server, before the first program."""
        kernel.die_with_parent()
        self.usage.settle()
        _install_filter()

    def before_fork(self) -> None:
        """Every program has the same process id, so that texts that name it do not differ between runs."""
        if self._last_pid is not None:
            with contextlib.suppress(OSError):
                os.pwrite(self._last_pid, b"1", 0)

    def confine(self) -> None:
        """In the program's process, before its code is known."""
        if self._as_root:
            os.setresgid(INSIDE_ID, INSIDE_ID, INSIDE_ID)
            os.setresuid(INSIDE_ID, INSIDE_ID, INSIDE_ID)  # takes all capabilities away
        else:
            kernel.drop_capabilities()

    def process_limit(self, processes: int) -> int:
        """RLIMIT_NPROC: it counts per user and user namespace; worker and fork server may be that user too."""
        return processes if self._as_root else processes + 2

    def kill_all(self, pid: int) -> bool:
        """SIGKILL to all that the program `pid` has started; the kernel does it in one step, no fork escapes.

        False when nothing is left, not even a process to wait for.
        """
        return kernel.kill_everyone()

    def clean(self) -> None:
        """Nothing that a program wrote is left for the next one. Raises OSError."""
        scratch.empty(self.scratch)


def _install_filter() -> None:
    try:
        kernel.install_filter(seccomp.base_filter(kernel.ARCHITECTURE))
    except (KeyError, OSError) as error:
        remedy = "a kernel with CONFIG_SECCOMP_FILTER on x86_64 or aarch64"
        raise Refused(f"seccomp filters are not available ({error!r})", remedy) from error


def _unshare_with_maps(as_root: bool) -> None:
    """New namespaces. The id maps are written by a child that stays outside. Raises OSError."""
    worker, (ready, go) = os.getpid(), os.pipe()
    helper = os.fork()
    if helper == 0:
        code = 1
        try:
            os.close(go)
            if os.read(ready, 1):
                _write_maps(worker, as_root)
                code = 0
        except OSError as error:
            code = error.errno or 1
        finally:
            os._exit(code)
    os.close(ready)
    try:
        kernel.unshare(_NAMESPACES)
        os.write(go, b"1")
    finally:
        os.close(go)
        _, status = os.waitpid(helper, 0)
    if status:
        number = os.waitstatus_to_exitcode(status)
        raise OSError(number, f"id maps: {os.strerror(abs(number))}")


def _write_maps(pid: int, as_root: bool) -> None:
    if not as_root:
        _write(f"/proc/{pid}/setgroups", "deny")
    for name, own in (("uid_map", os.geteuid()), ("gid_map", os.getegid())):
        lines = f"0 0 1\n{INSIDE_ID} {_OUTSIDE_ID} 1\n" if as_root else f"{INSIDE_ID} {own} 1\n"
        _write(f"/proc/{pid}/{name}", lines)


def _write(path: str, text: str) -> None:
    file = os.open(path, os.O_WRONLY)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def _build_root() -> None:
    """A tmpfs becomes the root; the old root is seen under /old while we take what we need from it."""
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", "/tmp", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755,size=1m")  # noqa: S108
    os.mkdir("/tmp/old")  # noqa: S108
    kernel.pivot_root("/tmp", "/tmp/old")  # noqa: S108
    os.chdir("/")
    for path in dict.fromkeys((f"{sys.base_prefix}/lib", f"{sys.base_exec_prefix}/lib", *_LIBRARIES)):
        _take(path)
    for name in _DEVICES:
        _take(f"/dev/{name}", device=True)
    _mount_scratch()
    kernel.unmount("/old")
    os.rmdir("/old")
    kernel.protect_mount("/", kernel.ATTR_RDONLY | kernel.ATTR_NOSUID | kernel.ATTR_NODEV, recursive=False)


def _take(path: str, device: bool = False) -> None:
    """`path` of the old root, at the same place in the new one, read-only."""
    old = f"/old{path}"
    if not os.path.lexists(old) or os.path.lexists(path):
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.islink(old):
        os.symlink(os.readlink(old), path)
        return
    if os.path.isdir(old):
        os.mkdir(path)
    else:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    kernel.mount(old, path, "", kernel.MS_BIND | kernel.MS_REC)
    if not device:
        attributes = kernel.ATTR_RDONLY | kernel.ATTR_NOSUID | kernel.ATTR_NODEV
        kernel.protect_mount(path, attributes, recursive=True)


def _mount_scratch() -> None:
    options = f"mode=1777,size={_SCRATCH_SIZE},nr_inodes={_SCRATCH_FILES}"
    os.mkdir("/tmp")  # noqa: S108
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    kernel.mount("tmpfs", _SCRATCH, "tmpfs", flags, options)
    os.mkdir("/dev/shm")  # noqa: S108
    kernel.mount(_SCRATCH, "/dev/shm", "", kernel.MS_BIND)  # noqa: S108
