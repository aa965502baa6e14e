"""Uses a child process and a pipe."""

import os


def double(n):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"%d" % (2 * n))
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    result = int(os.read(reader, 100))
    os.close(reader)
    return result
