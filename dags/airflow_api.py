"""The little of Airflow's REST interface that tasks need: writing the note of a run, and which runs are active.

Airflow's task interface can read a run's note but not write it, and it does not list runs. The connection `psgpo_airflow`
(address, user, password) says how to log in; without it runs have no notes, and nothing is cleared away.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

CONNECTION = "psgpo_airflow"
TIMEOUT_SECONDS = 20
PAUSES = (2.0, 5.0)
"""Seconds before a note is tried again: on SQLite a busy scheduler can hold the database longer than the server waits."""
_PAGE = 100


@dataclass(frozen=True)
class Airflow:
    """One logged-in user. Calls raise OSError when nothing answers, ValueError or KeyError for a strange answer."""

    address: str
    token: str = field(repr=False)

    def active_runs(self) -> list[dict[str, Any]]:
        """All runs that wait or run, of every DAG."""
        return self._pages("/api/v2/dags/~/dagRuns?state=queued&state=running", "dag_runs")

    def task_instances(self, run: Mapping[str, Any]) -> list[dict[str, Any]]:
        return self._pages(f"{_path(run['dag_id'], run['dag_run_id'])}/taskInstances?", "task_instances")

    def note(self, dag_id: str, run_id: str, text: str) -> None:
        self._call("PATCH", _path(dag_id, run_id), {"note": text})

    def _pages(self, path: str, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            answer = self._call("GET", f"{path}&limit={_PAGE}&offset={len(found)}")
            found += answer[name]
            if not answer[name] or len(found) >= answer["total_entries"]:
                return found

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return _call(method, self.address + path, body, {"Authorization": f"Bearer {self.token}"})


def connected() -> Airflow:
    """Raises AirflowNotFoundException without the connection, else what calls raise."""
    connection = Connection.get(CONNECTION)
    address = f"{connection.conn_type}://{connection.host}:{connection.port}"
    login = {"username": connection.login, "password": connection.password}
    return Airflow(address, _call("POST", f"{address}/auth/token", login, {})["access_token"])


def write_run_note(context: Any, note: str) -> str:
    """Show `note` (Markdown) on the page of this run; why it could not be, or an empty text."""
    for pause in (*PAUSES, None):
        try:
            connected().note(context["ti"].dag_id, context["run_id"], note)
        except AirflowNotFoundException:
            return f"there is no connection {CONNECTION}"
        except (OSError, ValueError, KeyError) as trouble:
            if pause is None:
                return f"connection {CONNECTION}: {trouble}"
            time.sleep(pause)
        else:
            break
    return ""


def _path(dag_id: str, run_id: str) -> str:
    return f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"


def _call(
    method: str, url: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    all_headers = {"Content-Type": "application/json", "Accept": "application/json", **headers}
    request = Request(url, data, all_headers, method=method)  # noqa: S310 - the deployment's own address
    with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
        return json.loads(answer.read() or b"{}")
