"""File access of programs where there is no mount namespace: landlock (Linux 5.13)."""

from __future__ import annotations

import contextlib
import os
import struct
import sys

from tasks.sandbox import kernel

_READ = (1 << 2) | (1 << 3)  # read file, read folder
_ALL_FILES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_ON_FILE = (1 << 1) | (1 << 2) | (1 << 14)  # write, read, truncate: what a rule on a single file may name
_TCP = 3  # bind and connect, from version 4
_SCOPES = 3  # abstract unix sockets and signals, from version 6
_LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/lib", "/lib64", "/etc/ld.so.cache")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")


def ruleset(scratch: str) -> int:
    """Descriptor of rules: read the libraries, write in `scratch`, nothing else. Raises OSError."""
    version = kernel.landlock_version()
    if version == 0:
        raise OSError("the kernel has no landlock, or it is not in its list of security modules")
    files = _ALL_FILES[min(version, 5)]
    parts = [files] + [_TCP] * (version >= 4) + [_SCOPES] * (version >= 6)
    rules = kernel.landlock_ruleset(struct.pack(f"{len(parts)}Q", *parts))
    for path in {f"{sys.base_prefix}/lib", f"{sys.base_exec_prefix}/lib", *_LIBRARIES}:
        with contextlib.suppress(FileNotFoundError):
            kernel.landlock_allow(rules, path, _READ if os.path.isdir(path) else 1 << 2)
    for path in _DEVICES:
        kernel.landlock_allow(rules, path, _ON_FILE & files)
    kernel.landlock_allow(rules, scratch, files & ~1)  # all but executing
    return rules
