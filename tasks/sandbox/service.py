"""The sandbox as a service: HTTP on a unix socket, or on an internal network.

    GET  /health    {"isolation", "workers"}
    POST /verdict   {"code", "tests", "limits"} -> the fields of a Verdict, in order

A request is answered when its verdict is known; a caller opens as many connections as the service has workers. There
is no authentication: whoever can connect can have programs run, which is what the service is for, and cannot do more.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from dataclasses import astuple, fields
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any

from tasks.errors import BadInput
from tasks.sandbox.client import Sandbox
from tasks.sandbox.program import Limits, Program
from tasks.sandbox.tests_json import tests_from_json

LARGEST_REQUEST = 256 << 20  # bytes
LARGEST_LIMIT = 1_000_000  # of any: 11 days, a terabyte


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def do_GET(self) -> None:
        if self.path == "/health":
            self._answer(HTTPStatus.OK, self.server.about())
        else:
            self._answer(HTTPStatus.NOT_FOUND, {"error": "GET /health or POST /verdict"})

    def do_POST(self) -> None:
        if self.path != "/verdict":
            self._answer(HTTPStatus.NOT_FOUND, {"error": "GET /health or POST /verdict"})
            return
        try:
            program = self._program()
        except (BadInput, ValueError, TypeError, KeyError) as error:
            self.close_connection = True
            self._answer(HTTPStatus.BAD_REQUEST, {"error": f"{type(error).__name__}: {error}"})
            return
        self._answer(HTTPStatus.OK, astuple(self.server.sandbox.submit(program).result()))

    def _program(self) -> Program:
        length = int(self.headers.get("Content-Length", ""))
        if not 0 <= length <= LARGEST_REQUEST:
            raise ValueError(f"requests have at most {LARGEST_REQUEST} bytes")
        request = json.loads(self.rfile.read(length))
        if type(request["code"]) is not str:
            raise TypeError("'code' must be a string")
        return Program(request["code"], tests_from_json(request["tests"]), _limits(request["limits"]))

    def _answer(self, status: HTTPStatus, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing per request: thousands come per minute."""

    def address_string(self) -> str:
        return "client"


def _limits(values: Any) -> Limits:
    limits = Limits(*values)
    for field in fields(Limits):
        value, kinds = getattr(limits, field.name), (int,) if field.type == "int" else (int, float)
        if type(value) not in kinds or not 0 < value <= LARGEST_LIMIT:
            names = " or ".join(kind.__name__ for kind in kinds)
            raise ValueError(f"limit {field.name!r} must be {names}, above 0 and at most {LARGEST_LIMIT}")
    return limits


class Service(ThreadingHTTPServer):
    """`address`: (host, port), or the path of a unix socket. Owns `sandbox`'s requests, not the sandbox."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int] | str, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._path = Path(address) if isinstance(address, str) else None
        if self._path is not None:
            self.address_family = socket.AF_UNIX
            _remove_stale(self._path)
        super().__init__(address, _Handler)  # type: ignore[arg-type]
        if self._path is not None:
            self._path.chmod(0o660)

    def server_bind(self) -> None:
        if self._path is None:
            super().server_bind()
            return
        self.socket.bind(str(self._path))
        self.server_name, self.server_port = str(self._path), 0

    def about(self) -> dict[str, Any]:
        return {"isolation": self.sandbox.isolation, "workers": self.sandbox.workers}

    def server_close(self) -> None:
        super().server_close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _remove_stale(path: Path) -> None:
    """A socket file that nobody listens on any more. Raises BadInput when somebody does."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink()
            return
    raise BadInput("--socket", f"another service listens on {path}")


def serve(address: tuple[str, int] | str, sandbox: Sandbox) -> None:
    """Serve until SIGTERM or SIGINT."""
    with Service(address, sandbox) as service:

        def stop(number: int, frame: FrameType | None) -> None:
            threading.Thread(target=service.shutdown, daemon=True).start()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        where = address if isinstance(address, str) else f"{address[0]}:{service.server_port}"
        print(f"sandbox service on {where}, {json.dumps(service.about())}, pid {os.getpid()}", flush=True)
        service.serve_forever(poll_interval=0.2)
