"""Whether this process may give programs a user of their own: root on a host may, root of a bare namespace may not."""

from __future__ import annotations

import os

_CHOWN, _SETGID, _SETUID = 0, 6, 7  # numbers of capabilities


def may_become(identity: int) -> bool:
    """True when this process may take `identity` as user and as group, and give files to it."""
    if os.geteuid() != 0:
        return False
    try:
        held = _effective_capabilities()
        maps = [_covers(path, identity) for path in ("/proc/self/uid_map", "/proc/self/gid_map")]
    except (OSError, StopIteration):  # a platform without them: root is root
        return True
    return all(maps) and all(held >> number & 1 for number in (_CHOWN, _SETGID, _SETUID))


def _effective_capabilities() -> int:
    with open("/proc/self/status") as status:
        return int(next(line.split()[1] for line in status if line.startswith("CapEff:")), 16)


def _covers(path: str, identity: int) -> bool:
    with open(path) as table:
        rows = [[int(field) for field in line.split()] for line in table]
    return any(first <= identity < first + count for first, _, count in rows)
