"""Use no CPU time and never return."""

import time


def double(n):
    while True:
        time.sleep(1000)
