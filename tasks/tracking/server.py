"""MLflow's REST interface, as much of it as stages need.

Every stage is its own process, and importing `mlflow` costs each of them 2.7 s of CPU; this module costs 0.1 s. Only
servers are spoken to (`http://` or `https://`), never a tracking database directly.

Credentials come from `MLFLOW_TRACKING_TOKEN`, or `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`, or stand in the
address; they never appear in a message.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from tasks.errors import BadInput, TryAgain

URI_VARIABLE = "MLFLOW_TRACKING_URI"
TIMEOUT_SECONDS = 10.0


class ServerDown(RuntimeError):
    """The server cannot be reached, or is not well (5xx, 429): the same call may succeed later."""


class Refused(RuntimeError):
    """The server answered that the call is wrong (4xx). `code` is MLflow's error code, such as RESOURCE_ALREADY_EXISTS."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(f"MLflow refuses: {code}: {message}")


class MlflowServer:
    """One tracking server. All calls raise ServerDown or Refused."""

    def __init__(self, uri: str, timeout: float = TIMEOUT_SECONDS) -> None:
        parts = urlsplit(uri)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput(
                URI_VARIABLE, "is not the address of an MLflow server", "http://HOST:PORT or https://..."
            )
        host_and_port = parts.netloc.rpartition("@")[2]
        self.uri = urlunsplit((parts.scheme, host_and_port, parts.path.rstrip("/"), "", ""))
        self.timeout = timeout
        self._headers = _authorization(parts.username, parts.password)

    def get(self, name: str, /, **query: str) -> dict[str, Any]:
        """GET `/api/2.0/mlflow/<name>`."""
        return self._call("GET", f"/api/2.0/mlflow/{name}?{urlencode(query)}", None)

    def post(self, name: str, body: Mapping[str, Any], method: str = "POST") -> dict[str, Any]:
        """POST (or another method) a JSON body to `/api/2.0/mlflow/<name>`."""
        data = json.dumps(body, allow_nan=False).encode()
        return self._call(method, f"/api/2.0/mlflow/{name}", data, {"Content-Type": "application/json"})

    def upload(self, run: Mapping[str, Any], path: Path, folder: str = "") -> None:
        """Attach a file to a run (`run` as the server describes it) below `folder`."""
        root = str(run["info"]["artifact_uri"])
        if not root.startswith("mlflow-artifacts:"):
            return _upload_directly(self.uri, str(run["info"]["run_id"]), path, folder)
        target = "/".join(part for part in (urlsplit(root).path.strip("/"), folder, path.name) if part)
        self._call("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{quote(target)}", path.read_bytes())
        return None

    def _call(
        self, method: str, path: str, data: bytes | None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        request = Request(self.uri + path, data, {**self._headers, **(headers or {})}, method=method)  # noqa: S310
        try:
            with urlopen(request, timeout=self.timeout) as answer:  # noqa: S310 - http(s) only, see __init__
                return json.loads(answer.read() or b"{}")
        except HTTPError as error:
            raise _answered(error) from None
        except (URLError, OSError, http.client.HTTPException, json.JSONDecodeError) as error:
            raise ServerDown(f"MLflow at {self.uri} does not answer: {error}") from None


@contextmanager
def as_stage_errors() -> Iterator[None]:
    """Inside, a server that is down means "try again" (exit 75), and one that refuses bad input (exit 64)."""
    try:
        yield
    except ServerDown as down:
        raise TryAgain(str(down)) from down
    except Refused as refused:
        raise BadInput(URI_VARIABLE, str(refused)) from refused


def configured_server() -> MlflowServer | None:
    """The server of `MLFLOW_TRACKING_URI`, or None when tracking is off."""
    uri = os.environ.get(URI_VARIABLE, "")
    return MlflowServer(uri) if uri else None


def key_values(values: Mapping[str, object]) -> list[dict[str, str]]:
    """A mapping in the form MLflow takes tags and parameters."""
    return [{"key": key, "value": str(value)} for key, value in values.items()]


def _authorization(user: str | None, password: str | None) -> dict[str, str]:
    user, password = (
        user or os.environ.get("MLFLOW_TRACKING_USERNAME"),
        password or os.environ.get("MLFLOW_TRACKING_PASSWORD"),
    )
    if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    if user and password:
        return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
    return {}


def _answered(error: HTTPError) -> RuntimeError:
    """What an HTTP error status means. MLflow wraps its error code and message in JSON."""
    text = error.read().decode(errors="replace")
    try:
        answer = json.loads(text)
        code, message = str(answer["error_code"]), str(answer["message"])
    except (ValueError, KeyError, TypeError):
        code, message = str(error.code), text[:200]
    if error.code >= 500 or error.code == 429:
        return ServerDown(f"MLflow answers {error.code}: {message[:200]}")
    return Refused(code, message[:500])


def _upload_directly(uri: str, run_id: str, path: Path, folder: str) -> None:
    """For servers that do not pass artifacts on (`--no-serve-artifacts`): MLflow's own client knows their stores."""
    from mlflow import MlflowClient

    MlflowClient(uri).log_artifact(run_id, str(path), folder or None)
