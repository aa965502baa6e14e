"""Listen for connections."""

import socket


def double(n):
    with socket.create_server(("127.0.0.1", 0)):
        return 2 * n
