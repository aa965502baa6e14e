"""Ask a name server."""

import socket


def double(n):
    return socket.getaddrinfo("example.org", 80) and 2 * n
