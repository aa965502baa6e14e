"""Airflow and MLflow up and down.

Airflow's three needed components are started one by one instead of by `airflow standalone`: same database, executor and
login, 400 MB less memory and 5 s less time (no parent process, no triggerer: nothing here is deferred), and each one's
output in a file of its own.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from urllib.request import urlopen

from infra.airflow_objects import connections, pools, variables
from infra.local import processes
from infra.local.airflow_api import AirflowApi
from infra.local.environment import (
    ADMIN,
    JOB_SLOTS,
    admin_password,
    needs_migration,
    record_migration,
    stack_environment,
)
from infra.local.settings import Settings
from tasks.errors import BadInput

START_SECONDS = 180.0
_BIN = Path(sys.executable).parent


class StackError(RuntimeError):
    """The stack could not be started; the message names the component and the end of its output."""


def up(settings: Settings, say: Callable[[str], None]) -> AirflowApi:
    """Start what is not running and wait until all of it is healthy; the logged-in API.

    Raises BadInput when a port is taken, StackError when a component dies or does not become healthy.
    """
    if processes.running(settings.state):
        if is_healthy(settings):
            say("already running")
            return login(settings)
        say("half of the stack is running: starting it afresh")
        processes.stop(settings.state)
    _refuse_taken_ports(settings)
    started = time.time()
    components = _start(settings, say)
    _wait(settings, components, started)
    api = login(settings)
    _bring_in(api)
    say(f"healthy after {time.time() - started:.0f} s")
    return api


def _bring_in(api: AirflowApi) -> None:
    """Pools, variables and connections as they are in the code; `AirflowApi` leaves variables that exist alone."""
    for name, about in pools(JOB_SLOTS).items():
        api.ensure_pool(name, about)
    for key, value in variables().items():
        api.ensure_variable(key, value)
    for name, address in connections(os.environ).items():
        api.ensure_connection(name, parts_of(address))


def parts_of(address: str) -> dict[str, Any]:
    """A connection's address as the fields of Airflow's REST interface."""
    parts = urlsplit(address)
    return {
        "conn_type": parts.scheme,
        "host": unquote(parts.hostname or ""),
        "port": parts.port,
        "login": unquote(parts.username or "") or None,
        "password": unquote(parts.password or "") or None,
        "schema": unquote(parts.path.removeprefix("/")) or None,
        "extra": json.dumps(dict(parse_qsl(parts.query))) if parts.query else None,
    }


def down(settings: Settings) -> int:
    """Stop everything; returns how many processes there were."""
    return processes.stop(settings.state)


def login(settings: Settings) -> AirflowApi:
    return AirflowApi(settings.airflow_uri, ADMIN, admin_password(settings))


def is_healthy(settings: Settings, since: float = 0.0) -> bool:
    """Both servers answer, and scheduler and DAG processor have given a sign of life after `since` (epoch seconds)."""
    try:
        with urlopen(f"{settings.mlflow_uri}/health", timeout=5) as answer:  # noqa: S310 - http
            answer.read()
        with urlopen(f"{settings.airflow_uri}/api/v2/monitor/health", timeout=10) as answer:  # noqa: S310
            health = json.loads(answer.read())
    except (OSError, ValueError):
        return False
    return all(
        _is_alive(health[name], f"latest_{name}_heartbeat", since) for name in ("scheduler", "dag_processor")
    )


def _is_alive(component: dict[str, Any], heartbeat: str, since: float) -> bool:
    last = component.get(heartbeat)
    return (
        component["status"] == "healthy" and bool(last) and datetime.fromisoformat(last).timestamp() >= since
    )


def _start(settings: Settings, say: Callable[[str], None]) -> dict[str, subprocess.Popen[bytes]]:
    environment = stack_environment(settings)
    admin_password(settings)

    def start(name: str, *argv: str) -> subprocess.Popen[bytes]:
        return processes.start(name, [str(_BIN / argv[0]), *argv[1:]], environment, settings.state)

    say("starting MLflow and Airflow")
    components = {"mlflow": start("mlflow", *mlflow_command(settings))}
    if needs_migration(settings):
        say("preparing Airflow's database (first start only)")
        if start("migrate", "airflow", "db", "migrate").wait():
            raise StackError(f"Airflow's database cannot be prepared:\n{_tail(settings, 'migrate')}")
        record_migration(settings)
    components["api-server"] = start("api-server", "airflow", "api-server")
    components["scheduler"] = start("scheduler", "airflow", "scheduler", "--skip-serve-logs")
    components["dag-processor"] = start("dag-processor", "airflow", "dag-processor")
    return components


def mlflow_command(settings: Settings) -> list[str]:
    """The tracking server with its database and files in the state folder."""
    folder = settings.state / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    return [
        "mlflow",
        "server",
        *("--host", "127.0.0.1", "--port", str(settings.mlflow_port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]


def _wait(settings: Settings, components: dict[str, subprocess.Popen[bytes]], started: float) -> None:
    while not is_healthy(settings, since=started):
        for name, process in components.items():
            if process.poll() is not None:
                processes.stop(settings.state)
                raise StackError(f"{name} ended with code {process.returncode}:\n{_tail(settings, name)}")
        if time.time() - started > START_SECONDS:
            processes.stop(settings.state)
            raise StackError(f"not healthy after {START_SECONDS:.0f} s; output is in {settings.logs}")
        time.sleep(0.25)


def _tail(settings: Settings, name: str, lines: int = 15) -> str:
    text = (settings.logs / f"{name}.log").read_text(errors="replace")
    return "\n".join(text.splitlines()[-lines:])


def _refuse_taken_ports(settings: Settings) -> None:
    for variable, port in (("AIRFLOW_PORT", settings.airflow_port), ("MLFLOW_PORT", settings.mlflow_port)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise BadInput(
                    f"port {port}", "is taken by another program", f"a free port in the variable {variable}"
                ) from None
