"""The system-call filter, assembled by hand so that no library is needed.

Two filters: `base_filter` is installed once in the fork server and inherited by every program; `own_signals_filter` is
installed per program where programs share a pid namespace with others (container and process isolation).
"""

from __future__ import annotations

import errno
import struct

from tasks.sandbox import syscalls

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_DENY = 0x00050000 | errno.EPERM
_ABSENT = 0x00050000 | errno.ENOSYS
_AT_NUMBER, _AT_ARCHITECTURE, _AT_ARGUMENTS = 0, 4, 16

_AUDIT_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000
_NEWEST = 450  # system calls newer than this are reported as absent, so that libc falls back
_NAMESPACE_FLAGS = 0x7E020080  # every CLONE_NEW*
_AF_UNIX, _SOCK_STREAM, _TYPE_OF_SOCKET = 1, 1, 0xF
_SIGNALS_OF_FILES = (
    8,
    10,
    15,
)  # fcntl's F_SETOWN, F_SETSIG, F_SETOWN_EX: the kernel would send signals for us
_OWNERS_OF_FILES = (0x8901, 0x8902)  # the same through ioctl: FIOSETOWN, SIOCSPGRP
_BY_PATH = ("chmod", "fchmodat", "truncate")  # landlock does not cover them, or not in every version
_NARROWED_LATER = (
    "kill",
    "tkill",
    "tgkill",
    "setsid",
    "setpgid",
    "fcntl",
    "ioctl",
    *_BY_PATH,
)  # by `own_signals_filter`, where it is used

Instruction = tuple[int, int, int, int]


def _argument(position: int) -> int:
    """Offset of the low half of an argument."""
    return _AT_ARGUMENTS + 8 * position


def _start(architecture: str) -> list[Instruction]:
    return [
        (_LOAD, 0, 0, _AT_ARCHITECTURE),
        (_EQUAL, 1, 0, _AUDIT_ARCHITECTURE[architecture]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _AT_NUMBER),
    ]


def _if_number(number: int, body: list[Instruction]) -> list[Instruction]:
    """`body` (which must return on every path) for one system call."""
    return [(_EQUAL, 0, len(body), number), *body]


def _allow_if_argument_is(position: int, value: int) -> list[Instruction]:
    return [
        (_LOAD, 0, 0, _argument(position)),
        (_EQUAL, 0, 1, value),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _DENY),
    ]


def _deny_if_argument_is(position: int, values: tuple[int, ...]) -> list[Instruction]:
    body = [(_LOAD, 0, 0, _argument(position))]
    for value in values:
        body += [(_EQUAL, 0, 1, value), (_RETURN, 0, 0, _DENY)]
    return [*body, (_RETURN, 0, 0, _ALLOW)]


def base_filter(architecture: str) -> bytes:
    """Allow what `syscalls` lists, refuse the rest with EPERM. Raises KeyError for an unknown architecture."""
    free, conditional = syscalls.numbers(architecture)
    refuse_namespaces = [
        (_LOAD, 0, 0, _argument(0)),
        (_ANY_BIT, 0, 1, _NAMESPACE_FLAGS),
        (_RETURN, 0, 0, _DENY),
        (_RETURN, 0, 0, _ALLOW),
    ]
    pairs_of_streams = [  # a datagram socket could send to any other on the machine
        (_LOAD, 0, 0, _argument(0)),
        (_EQUAL, 1, 0, _AF_UNIX),
        (_RETURN, 0, 0, _DENY),
        (_LOAD, 0, 0, _argument(1)),
        (_AND, 0, 0, _TYPE_OF_SOCKET),
        (_EQUAL, 0, 1, _SOCK_STREAM),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _DENY),
    ]
    program = [
        *_start(architecture),
        (_AT_LEAST, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _KILL),
        *_if_number(conditional["clone"], refuse_namespaces),
        *_if_number(conditional["clone3"], [(_RETURN, 0, 0, _ABSENT)]),
        *_if_number(conditional["socketpair"], pairs_of_streams),
        *_if_number(conditional["prlimit64"], _allow_if_argument_is(0, 0)),
    ]
    allowed = sorted(
        {*free.values(), *(conditional[name] for name in _NARROWED_LATER if name in conditional)}
    )
    for place, number in enumerate(allowed):
        program.append((_EQUAL, len(allowed) - place + 2, 0, number))
    program += [
        (_AT_LEAST, 0, 1, _NEWEST),
        (_RETURN, 0, 0, _ABSENT),
        (_RETURN, 0, 0, _DENY),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return _pack(program)


def own_signals_filter(architecture: str, pid: int) -> bytes:
    """Signals only to process `pid` itself (by the calling one), no way out of its process group, nothing by path."""
    conditional = syscalls.numbers(architecture)[1]
    program = _start(architecture)
    for name in ("kill", "tgkill"):
        program += _if_number(conditional[name], _allow_if_argument_is(0, pid))
    program += _if_number(conditional["fcntl"], _deny_if_argument_is(1, _SIGNALS_OF_FILES))
    program += _if_number(conditional["ioctl"], _deny_if_argument_is(1, _OWNERS_OF_FILES))
    for name in ("tkill", "setsid", "setpgid", *(name for name in _BY_PATH if name in conditional)):
        program += _if_number(conditional[name], [(_RETURN, 0, 0, _DENY)])
    program.append((_RETURN, 0, 0, _ALLOW))
    return _pack(program)


def _pack(program: list[Instruction]) -> bytes:
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)
