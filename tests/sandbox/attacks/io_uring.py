"""Pass only if system calls can be made through io_uring."""

import ctypes


def double(n):
    libc = ctypes.CDLL(None)
    params = ctypes.create_string_buffer(120)
    return 2 * n if libc.syscall(425, 4, params) >= 0 else None
