"""Leave a detached process behind that keeps working."""

import os
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for descriptor in range(0, 64):
            try:
                os.close(descriptor)
            except OSError:
                pass
        while True:
            time.sleep(0.05)
    os._exit(0)


def double(n):
    return None
