"""`python -m broker`: listen on port 2375, speak to the engine at /var/run/docker.sock.

PSGPO_DEPLOYMENT    the label of this deployment's jobs
PSGPO_JOB_IMAGE     the image that jobs run in
PSGPO_JOB_NETWORKS  the networks they may be in, by name
PSGPO_JOB_GPUS      ids of the devices they may have
"""

import http.client
import json
import os
import re
import socket
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from broker.policy import (
    CONNECT,
    DEPLOYMENT_LABEL,
    IMAGE,
    NETWORK,
    Policy,
    Refused,
    check_connection,
    check_creation,
    check_owner,
    container_of,
    without_secrets,
)

PORT = 2375
LARGEST_BODY = 1 << 20
ENGINE_SECONDS = 120.0
VERSIONED = re.compile(r"/v\d+\.\d+(/.*)")
FREE = ("/_ping", "/version")


class Engine(http.client.HTTPConnection):
    """One request to the engine's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("engine", timeout=ENGINE_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Broker(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], engine: str, settings: dict[str, str]) -> None:
        super().__init__(address, Handler)
        self.engine, self.settings = engine, settings

    def ask(self, method: str, target: str, body: bytes = b"") -> tuple[int, str, bytes]:
        """Status, content type and body of the engine's answer."""
        connection = Engine(self.engine)
        try:
            headers = {"Content-Type": "application/json"} if body else {}
            connection.request(method, target, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheader("Content-Type", ""), answer.read()
        finally:
            connection.close()

    def policy(self) -> Policy:
        """The image may have been built anew: its id is asked for every time."""
        name = self.settings["PSGPO_JOB_IMAGE"]
        status, _, body = self.ask("GET", f"/images/{quote(name, safe='/:@')}/json")
        images = {json.loads(body)["Id"]} if status == HTTPStatus.OK else set()
        return Policy(
            self.settings.get("PSGPO_DEPLOYMENT") or "psgpo",
            frozenset(images),
            frozenset(_listed(self.settings["PSGPO_JOB_NETWORKS"])),
            frozenset(_listed(self.settings.get("PSGPO_JOB_GPUS", ""))),
        )


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Broker

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._refuse("PUT is not for jobs")

    def _serve(self) -> None:
        try:
            body = self._body()
            self._pass_on(body)
        except Refused as refused:
            self._refuse(str(refused))
        except (OSError, http.client.HTTPException) as error:
            self._answer(HTTPStatus.BAD_GATEWAY, _message(f"the engine: {type(error).__name__}: {error}"))

    def _pass_on(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        versioned = VERSIONED.fullmatch(parts.path)
        path = versioned[1] if versioned else parts.path
        if self.command in ("GET", "HEAD") and path in FREE:
            self._forward(body)
            return
        policy = self.server.policy()
        query = parse_qs(parts.query)
        if self.command == "GET" and path == "/containers/json":
            self._list(policy, query)
        elif self.command == "POST" and path == "/containers/create":
            check_creation(_read(body), policy)
            self._forward(body)
        elif self.command == "POST" and (match := CONNECT.fullmatch(path)):
            self._check_container(check_connection(_read(body), match[1], policy), policy)
            self._forward(body)
        elif self.command == "GET" and (match := NETWORK.fullmatch(path)) and match[1] in policy.networks:
            self._forward(body)
        elif self.command == "GET" and (match := IMAGE.fullmatch(path)):
            if match[1] not in {self.server.settings["PSGPO_JOB_IMAGE"], *policy.images}:
                raise Refused(f"the image {match[1]} is not for jobs")
            self._forward(body)
        elif (name := container_of(self.command, path)) is not None:
            if query.get("follow", ["0"]) not in (["0"], ["false"]):
                raise Refused("logs are read, not followed")
            self._check_container(name, policy)
            self._forward(body, hide=path.endswith("/json"))
        else:
            raise Refused(f"{self.command} {path} is not for jobs")

    def _check_container(self, name: str, policy: Policy) -> None:
        """Jobs of this deployment only. One that is not there is the engine's to tell."""
        status, _, body = self.server.ask("GET", f"/containers/{quote(name)}/json")
        if status == HTTPStatus.OK:
            check_owner(json.loads(body)["Config"]["Labels"], policy)

    def _list(self, policy: Policy, query: dict[str, list[str]]) -> None:
        """Containers of this deployment, whatever else is asked for."""
        filters = _read(query.get("filters", ["{}"])[0].encode()) or {}
        labels = filters.get("label") or []
        labels = labels if isinstance(labels, list) else list(labels)
        wanted = {"label": [*labels, f"{DEPLOYMENT_LABEL}={policy.deployment}"]}
        parameters = {"all": query.get("all", ["0"])[0], "filters": json.dumps(wanted)}
        self._answer(*self._asked("GET", f"/containers/json?{urlencode(parameters)}"))

    def _forward(self, body: bytes, hide: bool = False) -> None:
        status, kind, answer = self.server.ask(self.command, self.path, body)
        if hide and status == HTTPStatus.OK:
            answer = json.dumps(without_secrets(json.loads(answer))).encode()
        self._answer(status, answer, kind)

    def _asked(self, method: str, target: str) -> tuple[int, bytes, str]:
        status, kind, answer = self.server.ask(method, target)
        return status, answer, kind

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding"):
            raise Refused("bodies come with their length")
        if self.headers.get("Upgrade"):
            raise Refused("connections are not taken over")
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > LARGEST_BODY:
            raise Refused(f"bodies have at most {LARGEST_BODY} bytes")
        return self.rfile.read(int(length))

    def _refuse(self, why: str) -> None:
        print(f"refused: {self.command} {self.path.split('?')[0]}: {why}", file=sys.stderr, flush=True)
        self.close_connection = True
        self._answer(HTTPStatus.FORBIDDEN, _message(f"refused by the broker: {why}"))

    def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Watching a job asks once a second."""


def _read(body: bytes) -> Any:
    """JSON in which no key stands twice: the engine might believe the other one."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs) or len({key.casefold() for key in found}) < len(found):
            raise Refused("a key stands twice in the body")
        return found

    try:
        return json.loads(body or b"null", object_pairs_hook=once)
    except ValueError:
        raise Refused("the body is no JSON") from None


def _message(text: str) -> bytes:
    return json.dumps({"message": text}).encode()


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def main() -> None:
    engine = os.environ.get("DOCKER_SOCKET") or "/var/run/docker.sock"
    with Broker(("0.0.0.0", int(os.environ.get("PORT") or PORT)), engine, dict(os.environ)) as broker:  # noqa: S104
        print(f"broker on port {broker.server_port}, engine {engine}", flush=True)
        broker.serve_forever(poll_interval=0.2)


if __name__ == "__main__":
    main()
