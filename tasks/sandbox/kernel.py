"""The few Linux calls that Python 3.11 does not offer, through ctypes. Each raises OSError."""

from __future__ import annotations

import ctypes
import itertools
import os
import struct

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 0x1000, 0x4000, 0x40000
MNT_DETACH = 2
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV = 1, 2, 4

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP = 1, 4, 22
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 36, 38
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_CAPABILITY_VERSION_3 = 0x20080522

ARCHITECTURE = os.uname().machine
_ON_ARM = ARCHITECTURE == "aarch64"
_NR_CAPSET = 91 if _ON_ARM else 126
_NR_PIVOT_ROOT = 41 if _ON_ARM else 155
_NR_MOUNT_SETATTR = 442
_NR_LANDLOCK_CREATE, _NR_LANDLOCK_ADD, _NR_LANDLOCK_RESTRICT = 444, 445, 446

# descriptors of the fork server that programs must not have lie here, out of the way of theirs; those above stay open
OWN_DESCRIPTORS = range(100, 200)
KEPT_DESCRIPTORS = range(200, 240)
_own_numbers, _kept_numbers = itertools.count(OWN_DESCRIPTORS.start), itertools.count(KEPT_DESCRIPTORS.start)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _long(value: int) -> ctypes.c_long:
    return ctypes.c_long(value)


def move_away(descriptor: int, kept: bool = False) -> int:
    """The same file at a number of OWN_DESCRIPTORS, or, `kept` for programs, of KEPT_DESCRIPTORS."""
    moved = os.dup2(descriptor, next(_kept_numbers if kept else _own_numbers), inheritable=False)
    os.close(descriptor)
    return moved


def unshare(flags: int) -> None:
    _check(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    arguments = (source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode())
    _check(_libc.mount(*arguments), f"mount {target}")


def protect_mount(target: str, attributes: int, recursive: bool) -> None:
    """Add mount attributes (mount_setattr, Linux 5.12)."""
    change = struct.pack("QQQQ", attributes, 0, 0, 0)
    flags = _AT_RECURSIVE if recursive else 0
    path = ctypes.c_char_p(target.encode())
    result = _libc.syscall(
        _long(_NR_MOUNT_SETATTR), _long(_AT_FDCWD), path, _long(flags), change, _long(len(change))
    )
    _check(result, f"mount_setattr {target}")


def unmount(target: str) -> None:
    _check(_libc.umount2(target.encode(), MNT_DETACH), f"umount {target}")


def pivot_root(new_root: str, put_old: str) -> None:
    result = _libc.syscall(_long(_NR_PIVOT_ROOT), new_root.encode(), put_old.encode())
    _check(result, "pivot_root")


def bring_no_privileges_back() -> None:
    """No later exec or call can give this process or its children privileges again."""
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, _long(1), _long(0), _long(0), _long(0)), "no_new_privs")


def drop_capabilities() -> None:
    header, none = struct.pack("Ii", _CAPABILITY_VERSION_3, 0), struct.pack("6I", *[0] * 6)
    _check(_libc.syscall(_long(_NR_CAPSET), header, none), "capset")


def die_with_parent() -> None:
    """SIGKILL when the thread that forked this process ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, _long(9), _long(0), _long(0), _long(0)), "pdeathsig")


def adopt_orphans() -> None:
    """Orphaned descendants become children of this process (child subreaper)."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, _long(1), _long(0), _long(0), _long(0)), "subreaper")


def hide_memory() -> None:
    """Processes of the same user may not trace this one or read its memory."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, _long(0), _long(0), _long(0), _long(0)), "dumpable")


def kill_everyone() -> bool:
    """SIGKILL to every process of this pid namespace but its first, which calls it. False when there is no other.

    Zombies count. Not `os.kill`, whose exception would cost the fork server, once per program, more than the call.
    """
    return bool(_libc.kill(-1, 9) == 0)


def install_filter(instructions: bytes) -> None:
    """Install a seccomp filter: packed `struct sock_filter`s (`seccomp.py`)."""
    buffer = ctypes.create_string_buffer(instructions, len(instructions))
    program = struct.pack("HxxxxxxQ", len(instructions) // 8, ctypes.addressof(buffer))
    held = ctypes.create_string_buffer(program, len(program))
    result = _libc.prctl(_PR_SET_SECCOMP, _long(2), ctypes.byref(held), _long(0), _long(0))
    _check(result, "seccomp filter")


def landlock_version() -> int:
    """Version of landlock's interface; 0 where the kernel has none or it is switched off."""
    return max(0, _libc.syscall(_long(_NR_LANDLOCK_CREATE), None, _long(0), _long(1)))


def landlock_ruleset(attributes: bytes) -> int:
    """A file descriptor of a new ruleset: packed `struct landlock_ruleset_attr`."""
    size = _long(len(attributes))
    return _check(_libc.syscall(_long(_NR_LANDLOCK_CREATE), attributes, size, _long(0)), "landlock ruleset")


def landlock_allow(ruleset: int, path: str, access: int) -> None:
    folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", access, folder)
        result = _libc.syscall(_long(_NR_LANDLOCK_ADD), _long(ruleset), _long(1), rule, _long(0))
        _check(result, f"landlock rule for {path}")
    finally:
        os.close(folder)


def landlock_restrict(ruleset: int) -> None:
    _check(_libc.syscall(_long(_NR_LANDLOCK_RESTRICT), _long(ruleset), _long(0)), "landlock")
