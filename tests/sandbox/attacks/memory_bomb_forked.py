"""Take memory in many processes, each below the limit."""

import os
import time

for _ in range(25):
    if os.fork() == 0:
        block = bytearray(b"x") * (100 << 20)
        time.sleep(60)
time.sleep(60)
