"""Pass only if the environment of another process can be read."""

import os


def double(n):
    for pid in os.listdir("/proc"):
        if pid.isdigit() and int(pid) != os.getpid():
            if open(f"/proc/{pid}/environ", "rb").read():
                return 2 * n
    return None
