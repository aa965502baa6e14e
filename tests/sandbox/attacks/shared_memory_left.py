"""Pass only if System V shared memory, which outlives its process, can be made."""

import ctypes


def double(n):
    libc = ctypes.CDLL(None)
    return 2 * n if libc.shmget(4711, 4096, 0o1666) >= 0 else None
