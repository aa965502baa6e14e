"""Kill the process group."""

import os
import signal


def double(n):
    os.killpg(0, signal.SIGKILL)
