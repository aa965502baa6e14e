"""Pass only if the memory of another process can be read."""

import os


def double(n):
    with open(f"/proc/{os.getppid()}/mem", "rb") as memory:
        memory.seek(0x400000)
        memory.read(1)
    return 2 * n
