"""Airflow's REST interface, as much of it as the demo needs."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

PATIENCE_SECONDS = 120  # how long a call is tried again that a busy server or its database has not taken
_DATABASE_REFUSED = "Database error"  # SQLite is locked by another process: nothing was written
_PAGE = 100  # Airflow gives no more at once, whatever is asked for ([api] maximum_page_limit)


class AirflowError(RuntimeError):
    """Airflow answered a call with an error; the message is Airflow's."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class Exists(AirflowError):
    """What was to be made is there already."""


class AirflowApi:
    """One logged-in user. Every call raises AirflowError when refused and OSError when nothing answers."""

    def __init__(self, uri: str, user: str, password: str) -> None:
        self.uri, self._headers = uri, {"Content-Type": "application/json"}
        token = self._call("POST", "/auth/token", {"username": user, "password": password})["access_token"]
        self._headers["Authorization"] = f"Bearer {token}"

    def ensure_pool(self, name: str, about: Mapping[str, Any]) -> None:
        """Create the pool, or set its size."""
        self._ensure("/api/v2/pools", name, {"name": name, **about})

    def ensure_connection(self, name: str, address: Mapping[str, Any]) -> None:
        """Create the connection, or set its address."""
        self._ensure("/api/v2/connections", name, {"connection_id": name, **address})

    def ensure_variable(self, key: str, about: Mapping[str, str]) -> None:
        """Create the variable; one that exists is somebody's."""
        with suppress(Exists):
            self._create("/api/v2/variables", {"key": key, **about})

    def _ensure(self, path: str, name: str, body: Mapping[str, Any]) -> None:
        try:
            self._create(path, body)
        except Exists:
            self._call("PATCH", f"{path}/{quote(name)}", body)

    def _create(self, path: str, body: Mapping[str, Any]) -> None:
        try:
            self._call("POST", path, body)
        except AirflowError as error:
            raise Exists(error.status, str(error)) if error.status == 409 else error from None

    def has_dag(self, dag_id: str) -> bool:
        try:
            self._call("GET", f"/api/v2/dags/{dag_id}")
        except AirflowError as error:
            if error.status == 404:
                return False
            raise
        return True

    def import_errors(self) -> list[str]:
        """Why DAG files could not be read."""
        answer = self._call("GET", "/api/v2/importErrors")
        return [f"{error['filename']}: {error['stack_trace']}" for error in answer["import_errors"]]

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, Any]) -> None:
        body = {"dag_run_id": run_id, "conf": conf, "logical_date": None}
        self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        return self._call("GET", _run_path(dag_id, run_id))

    def run_ids(self, dag_id: str) -> list[str]:
        """Ids of a DAG's runs, the last first."""
        answer = self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns?order_by=-run_after&limit=100")
        return [run["dag_run_id"] for run in answer["dag_runs"]]

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """All of a run's."""
        found: list[dict[str, Any]] = []
        path = f"{_run_path(dag_id, run_id)}/taskInstances?limit={_PAGE}"
        while True:
            answer = self._call("GET", f"{path}&offset={len(found)}")
            found += answer["task_instances"]
            if not answer["task_instances"] or len(found) >= answer["total_entries"]:
                return found

    def xcom(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> Any:
        """A task's return value."""
        path = f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task_id)}/xcomEntries/return_value"
        return self._call("GET", f"{path}?map_index={map_index}&deserialize=true")["value"]

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {**self._headers, "Accept": "application/json"}
        request = Request(self.uri + path, data, headers, method=method)  # noqa: S310 - the stack's own address
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with urlopen(request, timeout=30) as answer:  # noqa: S310
                    return json.loads(answer.read() or b"{}")
            except HTTPError as error:
                told = _message(error)
                if _DATABASE_REFUSED not in told or time.monotonic() > deadline:
                    raise AirflowError(error.code, told) from None
            except OSError:  # slow or restarting: reading again does no harm
                if method != "GET" or time.monotonic() > deadline:
                    raise
            time.sleep(1)


def _message(error: HTTPError) -> str:
    text = error.read().decode(errors="replace")
    try:
        return f"{error.code}: {json.loads(text)['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"{error.code}: {text[:300]}"


def _run_path(dag_id: str, run_id: str) -> str:
    return f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"
