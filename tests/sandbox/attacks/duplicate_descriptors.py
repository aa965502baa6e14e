"""Put standard output in the place of every descriptor."""

import os

for descriptor in range(3, 64):
    try:
        os.dup2(1, descriptor)
    except OSError:
        pass


def double(n):
    return None
