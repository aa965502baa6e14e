"""Uses alarms and signal handlers of its own."""

import signal
import time


def double(n):
    rung = []
    signal.signal(signal.SIGALRM, lambda *args: rung.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    while not rung:
        time.sleep(0.005)
    return 2 * n
