"""A child waits for the parent to end and then answers."""

import os
import time

if os.fork() == 0:
    time.sleep(0.2)
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, b"\x00\x00\x00\x0e{\"value\":true}")
        except OSError:
            pass
    os._exit(0)
os._exit(0)
