"""The little of Airflow's REST interface that a task needs: writing the note of its run.

Airflow's task interface can read a run's note but not write it. The connection `psgpo_airflow` (address, user, password)
says how to log in; without it runs have no notes, and nothing else is missing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

CONNECTION = "psgpo_airflow"
TIMEOUT_SECONDS = 20


def write_run_note(context: Any, note: str) -> str:
    """Show `note` (Markdown) on the page of this run; why it could not be, or an empty text."""
    try:
        connection = Connection.get(CONNECTION)
    except AirflowNotFoundException:
        return f"there is no connection {CONNECTION}"
    address = f"{connection.conn_type}://{connection.host}:{connection.port}"
    login = {"username": connection.login, "password": connection.password}
    run = f"/api/v2/dags/{context['ti'].dag_id}/dagRuns/{quote(context['run_id'], safe='')}"
    try:
        token = _call("POST", f"{address}/auth/token", login, {})["access_token"]
        _call("PATCH", f"{address}{run}", {"note": note}, {"Authorization": f"Bearer {token}"})
    except (OSError, ValueError, KeyError) as trouble:
        return f"{address}: {trouble}"
    return ""


def _call(method: str, url: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    data = json.dumps(body).encode()
    all_headers = {"Content-Type": "application/json", "Accept": "application/json", **headers}
    request = Request(url, data, all_headers, method=method)  # noqa: S310 - the deployment's own address
    with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
        return json.loads(answer.read() or b"{}")
