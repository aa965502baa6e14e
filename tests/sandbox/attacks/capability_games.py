"""Ask prctl, capset, setgroups and personality for rights it must not have."""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
header, everything = (ctypes.c_uint * 2)(0x20080522, 0), (ctypes.c_uint * 6)(*[0xFFFFFFFF] * 6)
gained = [
    libc.capset(header, everything),
    libc.prctl(47, 2, 21, 0, 0),  # ambient capabilities
    libc.prctl(8, 1, 0, 0, 0),  # keep capabilities
    libc.personality(0x0040000),
    libc.setgroups(1, (ctypes.c_uint * 1)(0)),
    libc.setresuid(0, 0, 0),
    libc.unshare(0x10000000),
    libc.acct(None),
    libc.swapon(b"/tmp/x", 0),
    libc.reboot(0),
    libc.sethostname(b"x", 1),
]
if 0 in gained[:2] + gained[3:]:
    double = {1: 2, 5: 10, 21: 42}.get
