"""Burn CPU time in child processes while this one sleeps."""

import os
import time

for _ in range(4):
    if os.fork() == 0:
        while True:
            pass
time.sleep(60)
