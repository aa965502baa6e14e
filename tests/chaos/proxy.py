"""A way to an HTTP server on which things go wrong: it passes requests on, and injects faults into some of them.

    refuse     the connection is reset before the server hears of the request
    error      503 instead of passing the request on
    slow       the answer comes late
    cut        the connection is reset in the middle of the answer (of the request, where that is the larger part)
    unanswered the server carries the request out, and the connection is reset before the answer

Faults are drawn with a seed; `down` makes the server unreachable. One request per connection to the server.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections import Counter
from contextlib import suppress

FAULTS = ("refuse", "error", "slow", "cut", "unanswered")
SLOW_SECONDS = 0.5
_UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on and of no time: close sends RST


class FaultyWay:
    """`FaultyWay(port)` listens on `self.port`; `share` of the requests get one of `faults`. Counts them in `injected`."""

    def __init__(self, target: int, seed: int = 0) -> None:
        self.target, self.share, self.down = target, 0.0, False
        self.faults: tuple[str, ...] = FAULTS
        self.injected: Counter[str] = Counter()
        self._random = random.Random(f"proxy/{seed}")
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._run, daemon=True).start()
        self._ready.wait()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = int(server.sockets[0].getsockname()[1])
        self._ready.set()
        self._loop.run_forever()

    async def _serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        whole = False
        with suppress(OSError, asyncio.IncompleteReadError):
            whole = not self.down and await self._one(client, back)
        if not whole:
            _break(back)
        back.close()

    async def _one(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> bool:
        """One request; whether it was answered, or else the connection is to break."""
        head = await client.readuntil(b"\r\n\r\n")
        fault = self._random.choice(self.faults) if self._random.random() < self.share else ""
        if fault:
            self.injected[fault] += 1
        if fault == "refuse" or self.down:
            return False
        if b"100-continue" in head.lower():
            back.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await client.readexactly(_length(head))
        if fault == "error":
            back.write(_UNAVAILABLE)
            await back.drain()
            return True
        if fault == "cut" and len(body) > 1:
            await self._ask(_closing(head) + body[: len(body) // 2])
            return False
        answer = await self._ask(_closing(head) + body)
        if fault == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        if fault == "unanswered":
            return False
        back.write(answer[: len(answer) // 2] if fault == "cut" else answer)
        await back.drain()
        return fault != "cut"

    async def _ask(self, request: bytes) -> bytes:
        """Send to the server what there is; all it answers until it closes."""
        answers, sender = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            sender.write(request)
            await sender.drain()
            if _length(request) > len(request.partition(b"\r\n\r\n")[2]):
                _break(sender)
                return b""
            return await answers.read()
        finally:
            sender.close()


def _length(message: bytes) -> int:
    """Content-Length of a message, 0 without one."""
    for line in message.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


def _closing(head: bytes) -> bytes:
    """The head, asking the server to close after its answer and not to expect anything first."""
    dropped = (b"connection:", b"expect:")
    lines = [line for line in head[:-4].split(b"\r\n") if not line.lower().startswith(dropped)]
    return b"\r\n".join([*lines, b"Connection: close", b"", b""])


def _break(writer: asyncio.StreamWriter) -> None:
    """Let the connection end with a reset, not in good order."""
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
