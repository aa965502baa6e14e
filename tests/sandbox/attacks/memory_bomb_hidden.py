"""Keep shared memory alive in processes that have never touched it: no resident size shows it."""

import mmap
import os
import time

for _ in range(25):
    block = mmap.mmap(-1, 100 << 20)
    block.write(b"x" * (100 << 20))
    if os.fork() == 0:
        time.sleep(60)
    block.close()
time.sleep(60)
