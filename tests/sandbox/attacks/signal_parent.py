"""Kill the parent."""

import os
import signal


def double(n):
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSTOP):
        os.kill(os.getppid(), number)
    return None
