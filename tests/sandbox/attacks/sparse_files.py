"""Files that are larger than the disk, and more files than it has room for."""

import os


def double(n):
    return None


for number in range(100_000):
    try:
        with open(f"/tmp/disk{number}", "wb") as file:
            file.truncate((1 << 24) - 1)
            file.seek(0)
            file.write(b"x" * 100_000)
    except OSError:
        break
