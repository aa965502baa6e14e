"""Pass only if something can be mounted."""

import ctypes


def double(n):
    libc = ctypes.CDLL(None)
    return 2 * n if libc.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None) == 0 else None
