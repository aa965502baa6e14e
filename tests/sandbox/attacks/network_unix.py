"""Connect to sockets of the host."""

import os
import socket


def double(n):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect("/run/docker.sock")
    return 2 * n
