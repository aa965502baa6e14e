"""Pass only if the memory of the parent can be read with process_vm_readv."""

import ctypes
import os


def double(n):
    class Vector(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]

    buffer = ctypes.create_string_buffer(8)
    here = Vector(ctypes.addressof(buffer), 8)
    libc = ctypes.CDLL(None)
    got = libc.process_vm_readv(os.getppid(), ctypes.byref(here), 1, ctypes.byref(here), 1, 0)
    return 2 * n if got > 0 else None
