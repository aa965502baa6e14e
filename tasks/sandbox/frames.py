"""Messages on a stream: four bytes of length, then that many bytes."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

HEADER = struct.Struct("!I")
_to_json = json.JSONEncoder(separators=(",", ":")).encode  # `json.dumps` would make one for every message


def pack(body: bytes) -> bytes:
    return HEADER.pack(len(body)) + body


def pack_json(message: Any) -> bytes:
    return pack(_to_json(message).encode())


def send_json(sock: socket.socket, message: Any) -> None:
    sock.sendall(pack_json(message))


def receive(sock: socket.socket) -> bytes | None:
    """The next message; None when the other end has closed. Blocking."""
    header = _exactly(sock, HEADER.size)
    return None if header is None else _exactly(sock, HEADER.unpack(header)[0])


def receive_json(sock: socket.socket) -> Any:
    """The next message of a trusted sender, decoded; None when the other end has closed."""
    body = receive(sock)
    return None if body is None else json.loads(body)


def _exactly(sock: socket.socket, size: int) -> bytes | None:
    """`size` bytes; None when the stream ends before."""
    first = sock.recv(size)
    if len(first) == size:
        return first
    buffer = bytearray(first)
    while len(buffer) < size:
        chunk = sock.recv(min(size - len(buffer), 1 << 20))
        if not chunk:
            return None
        buffer += chunk
    return bytes(buffer)
