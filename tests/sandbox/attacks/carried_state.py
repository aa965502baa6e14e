"""Remember an answer for the next program: in files, environment, modules, shared memory and the working folder."""

import mmap
import os
import sys

for path in ("/tmp/answer", "/dev/shm/answer", "answer"):
    try:
        with open(path, "w") as file:
            file.write("42")
    except OSError:
        pass
os.environ["ANSWER"] = "42"
sys.modules["answer"] = mmap.mmap(-1, 4096)
sys.path.insert(0, "/tmp")


def double(n):
    return None
