"""Close every descriptor."""

import os

os.closerange(0, 256)


def double(n):
    return 2 * n
