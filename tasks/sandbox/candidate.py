"""A program's process as the examiner sees it: pipes, requests, replies, and how it ended."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tasks.sandbox import codec, frames, zygote
from tasks.sandbox.program import Limits

_CHUNK = 1 << 16
_MEGABYTE = 1 << 20
_IN = select.POLLIN | select.POLLHUP | select.POLLERR


class Gone(BaseException):
    """The process will not answer any more; `Candidate.end()` says why. Tests cannot catch it by accident."""


class NotLoaded(BaseException):
    """The program's source could not be run; `reply` says why. Tests cannot catch it by accident."""

    def __init__(self, reply: dict[str, Any]) -> None:
        self.reply = reply
        super().__init__()


@dataclass(frozen=True)
class End:
    """How a process ended. `trouble` is set when the examiner stopped it: `output` or `channel`."""

    reason: int
    exit_code: int
    cpu_seconds: float
    clean: bool
    trouble: str | None


class ServerDied(RuntimeError):
    """The fork server is gone: this worker can do nothing more."""


class Candidate:
    """One forked process. `script`: standard streams are real pipes fed with `stdin`; otherwise it answers calls."""

    def __init__(
        self, server: socket.socket, client: int, code: str, limits: Limits, stdin: bytes | None = None
    ) -> None:
        self._server, self._script = server, stdin is not None
        self._room = limits.output_kb * 1024
        self._largest_message = self._room
        self._trouble: str | None = None
        self._outgoing, self._incoming = bytearray(), bytearray()
        self._unsent = False  # the channel is watched for room
        self._stdin, self.stdout = memoryview(stdin or b""), bytearray()
        self._open: set[int] = set()
        self._loaded: dict[str, Any] | None = None
        self._end: tuple[int, int, float, bool] | None = None
        self._poll = select.poll()
        self._poll.register(client, 0)  # hang-up only: nobody waits for this verdict
        self._client = client
        self._start(limits)
        self._send_bytes(code.encode("utf-8", "surrogatepass"))

    def _start(self, limits: Limits) -> None:
        self._channel, theirs = socket.socketpair()
        self._channel_fd = self._channel.fileno()
        out, their_out = os.pipe()
        keep = [out]
        if self._script:
            their_in, stdin = os.pipe()
            err, their_err = os.pipe()
            keep += [stdin, err]
            give = [their_in, their_out, their_err, theirs.fileno()]
        else:
            stdin = err = -1
            give = [_DEV_NULL, their_out, their_out, theirs.fileno()]
        self._out, self._err, self._in = out, err, stdin
        message = zygote.START.pack(
            limits.cpu_seconds,
            limits.wall_seconds,
            limits.memory_mb * _MEGABYTE,
            limits.processes,
            limits.open_files,
            limits.file_mb * _MEGABYTE,
            self._script,
        )
        try:
            socket.send_fds(self._server, [message], give)
        except OSError as error:
            raise ServerDied(str(error)) from error
        theirs.close()
        for descriptor in set(give[:3]) - {_DEV_NULL}:
            os.close(descriptor)
        self._channel.setblocking(False)
        for descriptor in keep:
            os.set_blocking(descriptor, False)
        self._watch(self._channel_fd, _IN)
        self._watch(out, _IN)
        if self._script:
            self._watch(err, _IN)
            self._watch(stdin, select.POLLOUT)
            self._poll.register(self._server.fileno(), _IN)

    # ---- messages

    def send(self, message: dict[str, Any]) -> None:
        """Queue `message`; it leaves while replies are awaited."""
        self._send_bytes(codec.to_text(message).encode())

    def _send_bytes(self, body: bytes) -> None:
        waiting = bool(self._outgoing)
        self._outgoing += frames.pack(body)
        if not waiting:
            self._flush()

    def loaded(self) -> None:
        """Wait until the program's source has been run. Raises NotLoaded, Gone."""
        if self._loaded is None:
            self._loaded = self._receive()
        if "raised" in self._loaded:
            raise NotLoaded(self._loaded)

    def answer(self) -> dict[str, Any]:
        """The reply to the oldest message without one. Raises NotLoaded, Gone."""
        self.loaded()
        return self._receive()

    def _receive(self) -> dict[str, Any]:
        while True:
            body = self._next_frame()
            if body is not None:
                return self._reply(body)
            if self._channel_fd not in self._open or self._trouble:
                raise Gone
            self._pump()

    def finish_script(self) -> dict[str, Any] | None:
        """Let a script run to its end; what it raised, if anything."""
        while self._end is None or self._open - {self._in}:
            self._pump()
            if self._trouble:
                return None
        try:
            body = self._next_frame()
            return None if body is None else self._reply(body)
        except Gone:
            return None

    def _next_frame(self) -> bytes | None:
        buffer = self._incoming
        if len(buffer) < frames.HEADER.size:
            return None
        (size,) = frames.HEADER.unpack_from(buffer)
        if size > self._largest_message:
            self._trouble = "output"
            raise Gone
        total = frames.HEADER.size + size
        if len(buffer) < total:
            return None
        body = bytes(buffer[frames.HEADER.size : total])
        del buffer[:total]
        return body

    def _reply(self, body: bytes) -> dict[str, Any]:
        try:
            tree = codec.parse(body)
        except codec.Malformed:
            tree = None
        if type(tree) is not dict:
            self._trouble = "channel"
            raise Gone
        return tree

    # ---- bytes

    def _watch(self, descriptor: int, events: int) -> None:
        self._open.add(descriptor)
        self._poll.register(descriptor, events)

    def _pump(self) -> None:
        """Wait for the next events and move what can be moved."""
        for descriptor, _ in self._poll.poll():
            if descriptor == self._channel_fd:
                if self._outgoing:
                    self._flush()
                self._read_channel()
            elif descriptor == self._in:
                self._feed()
            elif descriptor in (self._out, self._err):
                self._drain(descriptor)
            elif descriptor == self._server.fileno():
                self._read_end()
            elif descriptor == self._client:
                os._exit(0)

    def _flush(self) -> None:
        try:
            while self._outgoing:
                del self._outgoing[: self._channel.send(self._outgoing)]
        except BlockingIOError:
            pass
        except OSError:
            self._outgoing.clear()
        if bool(self._outgoing) != self._unsent and self._channel_fd in self._open:
            self._unsent = not self._unsent
            self._poll.modify(self._channel_fd, _IN | select.POLLOUT if self._unsent else _IN)

    def _read_channel(self) -> None:
        try:
            data = self._channel.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._incoming += data
        if len(self._incoming) > self._largest_message + 2 * _CHUNK:  # more than anybody has asked for
            self._trouble = "output"
        if not data:
            self._forget(self._channel_fd)

    def _feed(self) -> None:
        try:
            self._stdin = self._stdin[os.write(self._in, self._stdin) :] if self._stdin else self._stdin
        except BlockingIOError:
            return
        except OSError:
            self._stdin = memoryview(b"")
        if not self._stdin:
            self._forget(self._in)
            os.close(self._in)
            self._in = -1

    def _drain(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return
        if not data:
            self._forget(descriptor)
            return
        self._room -= len(data)
        if self._room < 0:
            self._trouble = "output"
        elif self._script and descriptor == self._out:
            self.stdout += data

    def _forget(self, descriptor: int) -> None:
        self._open.discard(descriptor)
        self._poll.unregister(descriptor)

    # ---- the end

    def _read_end(self) -> None:
        message = self._server.recv(zygote.END.size, socket.MSG_WAITALL)
        if len(message) < zygote.END.size:
            raise ServerDied("the fork server has ended")
        reason, exit_code, seconds, _, clean = zygote.END.unpack(message)
        self._end = (reason, exit_code, seconds, clean)
        if self._script:
            self._poll.unregister(self._server.fileno())

    def end(self, meanwhile: Callable[[], None] | None = None) -> End:
        """Stop the process and all it has started, if it is not over yet; how it ended. Raises ServerDied.

        `meanwhile` is called while that happens; it may start the next one.
        """
        try:
            self._server.sendall(zygote.STOP)
            if meanwhile is not None:
                meanwhile()
            if self._end is None:
                self._read_end()
        except OSError as error:
            raise ServerDied(str(error)) from error
        finally:
            self._channel.close()
            for descriptor in {self._out, self._err, self._in} - {-1}:
                os.close(descriptor)
            self._out = self._err = self._in = -1
        assert self._end is not None
        return End(*self._end, self._trouble)


_DEV_NULL = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
