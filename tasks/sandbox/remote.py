"""A sandbox service as a worker of this caller: one connection, one program at a time."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import astuple, dataclass
from urllib.parse import urlsplit

from tasks.errors import BadInput
from tasks.sandbox.feeder import WorkerDied
from tasks.sandbox.program import Limits, Verdict

ALLOWED = "unix:PATH or http://HOST:PORT"
_CONNECT_SECONDS = 30.0


@dataclass(frozen=True)
class About:
    """What a service says of itself."""

    isolation: str
    workers: int


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_CONNECT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def connect(address: str) -> http.client.HTTPConnection:
    """A connection, not yet open. Raises BadInput for an address of another form."""
    if address.startswith("unix:"):
        return _UnixConnection(address.removeprefix("unix:"))
    parts = urlsplit(address)
    if parts.scheme != "http" or not parts.hostname:
        raise BadInput("sandbox.address", f"is {address!r}", ALLOWED)
    return http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=_CONNECT_SECONDS)


def ask_service(address: str) -> About:
    """Raises BadInput when no sandbox service answers at `address`."""
    connection = connect(address)
    try:
        connection.request("GET", "/health")
        about = json.loads(connection.getresponse().read())
        return About(about["isolation"], about["workers"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        problem = f"no sandbox service answers at {address} ({type(error).__name__}: {error})"
        raise BadInput(
            "sandbox.address", problem, "start one with `python -m tasks.sandbox serve`"
        ) from error
    finally:
        connection.close()


class RemoteWorker:
    """The same steps as `process.WorkerProcess`."""

    at_once = 1

    def __init__(self, address: str) -> None:
        self._connection = connect(address)

    def send(self, code: str, tests: str, limits: Limits) -> None:
        body = json.dumps({"code": code, "tests": tests, "limits": astuple(limits)})
        try:
            self._connection.request("POST", "/verdict", body, {"Content-Type": "application/json"})
        except (OSError, http.client.HTTPException) as error:
            raise self._died(error) from None

    def receive(self, seconds: float) -> tuple[Verdict, bool]:
        try:
            if self._connection.sock is not None:
                self._connection.sock.settimeout(seconds)
            response = self._connection.getresponse()
            body = response.read()
            if response.status != http.HTTPStatus.OK:
                raise http.client.HTTPException(f"{response.status} {body[:200]!r}")
            return Verdict(*json.loads(body)), False
        except (OSError, http.client.HTTPException, ValueError, TypeError) as error:
            raise self._died(error) from None

    def _died(self, error: Exception) -> WorkerDied:
        self.end()
        return WorkerDied(why=f"the sandbox service: {type(error).__name__}: {error}")

    def interrupt(self) -> None:
        if self._connection.sock is not None:
            try:
                self._connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    def end(self) -> None:
        self._connection.close()
