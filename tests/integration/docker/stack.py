"""The whole compose file on this machine's engine: a project of its own, with secrets, ports and volumes of its own."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from infra.local.airflow_api import AirflowApi
from tests.conftest import free_port

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

DAG = "psgpo_train"
ROOT = Path(__file__).resolve().parents[3]
FILES = ("docker-compose.yml", "tests/integration/docker/compose.local.yml")
IMAGES = (
    *(f"psgpo/{name}:0.1.0" for name in ("airflow", "broker", "mlflow", "sandbox", "trainer")),
    *("psgpo/test-postgres:dev", "psgpo/test-store:dev"),
)
_READING_SECONDS = 300.0
_PROJECT, _SERVICE = "com.docker.compose.project", "com.docker.compose.service"


def compose_command() -> list[str] | None:
    """The plugin, else the older program; None without either."""
    if shutil.which("docker"):
        asked = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        if asked.returncode == 0:
            return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


class ComposeStack:
    """One deployment. `settings` is the content of its `.env`."""

    def __init__(self, engine: DockerClient, command: list[str], folder: Path, socket: str) -> None:
        self.engine, self._command, self._folder = engine, command, folder
        self._changes = folder / "changes.yml"
        self.name = f"psgpo-stack-{secrets.token_hex(4)}"
        self.settings = filled_example(
            {
                "COMPOSE_PROJECT_NAME": self.name,
                "AIRFLOW_PORT": str(free_port()),
                "MLFLOW_PORT": str(free_port()),
                "DOCKER_SOCKET": socket,
                "DOCKER_GROUP": str(os.stat(socket).st_gid),
                "AIRFLOW_PARALLELISM": "4",
                "SANDBOX_MEMORY": "2g",
            }
        )
        self.airflow_uri = f"http://127.0.0.1:{self.settings['AIRFLOW_PORT']}"
        self.mlflow_uri = f"http://127.0.0.1:{self.settings['MLFLOW_PORT']}"

    def up(self, patience: float) -> None:
        """What `up --wait` does, which the older program does not know. Raises RuntimeError with what is not healthy."""
        (self._folder / ".env").write_text(
            "".join(f"{name}={value}\n" for name, value in self.settings.items())
        )
        self._start(patience)

    def change(self, environment: Mapping[str, Mapping[str, str]], patience: float) -> None:
        """Services, by name, start anew with these variables on top of those of the file."""
        services = {name: {"environment": dict(given)} for name, given in environment.items()}
        self._changes.write_text(json.dumps({"services": services}))  # JSON is YAML
        self._start(patience, "--no-deps", *services)

    def _start(self, patience: float, *what: str) -> None:
        deadline = time.monotonic() + patience
        self.compose("up", "--detach", "--no-build", *what, timeout=patience)
        while waiting := self.not_ready():
            if time.monotonic() > deadline:
                raise RuntimeError(f"not ready after {patience:.0f} s: {waiting}\n{self.log(*waiting)}")
            time.sleep(2)

    def down(self) -> None:
        """Containers, networks and volumes, the jobs' included; first the scheduler, which would start more of them."""
        if scheduler := self.services().get("airflow-scheduler"):
            scheduler.remove(force=True, v=True)
        for container in self.jobs(all=True):
            container.remove(force=True, v=True)
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "5", timeout=180)

    def compose(self, *arguments: str, timeout: float = 120.0) -> str:
        """Raises RuntimeError with the end of what it says when it fails."""
        where = ["--project-directory", str(ROOT), "--env-file", str(self._folder / ".env")]
        chosen = [ROOT / file for file in FILES] + [self._changes] * self._changes.exists()
        files = [part for file in chosen for part in ("--file", str(file))]
        done = subprocess.run(
            [*self._command, *where, *files, *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, "COMPOSE_PROJECT_NAME": self.name},
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"compose {arguments[0]}: {done.stderr[-2000:]}\n{self.log()}")
        return done.stdout

    def services(self) -> dict[str, Container]:
        label = f"{_PROJECT}={self.name}"
        found = self.engine.containers.list(all=True, filters={"label": label})
        return {container.labels[_SERVICE]: container for container in found}

    def not_ready(self) -> dict[str, str]:
        """Services that are neither healthy nor done with success, and what they are instead."""
        states = {name: _state(container) for name, container in self.services().items()}
        return {name: state for name, state in states.items() if state not in ("healthy", "exited 0")}

    def log(self, *names: str, lines: int = 15) -> str:
        """The end of the named services' logs; of all that are not ready when none is named."""
        services = self.services()
        chosen = [name for name in names or self.not_ready() if name in services]
        return "\n".join(
            f"--- {name}\n{services[name].logs(tail=lines).decode(errors='replace')}" for name in chosen
        )

    def jobs(self, **how: Any) -> list[Container]:
        label = [f"psgpo.deployment={self.name}"]
        return self.engine.containers.list(filters={"label": label}, **how)

    @cached_property
    def airflow(self) -> AirflowApi:
        return AirflowApi(self.airflow_uri, "admin", self.settings["AIRFLOW_ADMIN_PASSWORD"])

    def follow(
        self, run_id: str, patience: float, look: Callable[[], None] = lambda: None
    ) -> tuple[str, float]:
        """Wait for the end of a run of `psgpo_train`, calling `look` now and then; its state, and seconds from here on."""
        began = time.monotonic()
        while (state := self.airflow.run(DAG, run_id)["state"]) not in ("success", "failed"):
            if time.monotonic() - began > patience:
                raise RuntimeError(f"{run_id} is {state} after {patience:.0f} s: {self.troubles(run_id)}")
            look()
            time.sleep(1)
        return str(state), time.monotonic() - began

    def wait_for_dag(self) -> None:
        """Until Airflow has read it, after its first start."""
        api, deadline = self.airflow, time.monotonic() + _READING_SECONDS
        while not api.has_dag(DAG):
            if time.monotonic() > deadline:
                raise RuntimeError(f"Airflow does not know {DAG}: {api.import_errors()}")
            time.sleep(1)

    def troubles(self, run_id: str) -> str:
        """The end of the logs of tasks that failed or are tried again."""
        wrong = ("failed", "up_for_retry")
        return "\n".join(
            f"--- {one['task_id']}\n" + "\n".join(self.task_log(run_id, one)[-12:])
            for one in self.airflow.task_instances(DAG, run_id)
            if one["state"] in wrong
        )

    def instance(self, run_id: str, task: str) -> dict[str, Any]:
        """A task's first instance."""
        instances = self.airflow.task_instances(DAG, run_id)
        return next(one for one in instances if one["task_id"] == task)

    def task_log(self, run_id: str, instance: dict[str, Any]) -> list[str]:
        """What a task instance's last try said, as the UI shows it, and the messages of its errors."""
        path = f"/api/v2/dags/{DAG}/dagRuns/{quote(run_id, safe='')}/taskInstances/{instance['task_id']}/logs"
        query = f"{instance['try_number']}?map_index={instance['map_index']}&full_content=true"
        rows = self.airflow._call("GET", f"{path}/{query}")["content"]
        errors = [error["exc_value"] for row in rows for error in row.get("error_detail") or ()]
        return [str(row["event"]) for row in rows] + errors


def filled_example(changes: dict[str, str]) -> dict[str, str]:
    """`.env.example` with a value of its own for every secret (docs/deploy.md, step 2)."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    own = {
        name: secrets.token_hex(32) if value.startswith("change-me") else value
        for name, value in given.items()
    }
    own["AIRFLOW_FERNET_KEY"] = f"'{urlsafe_b64encode(secrets.token_bytes(32)).decode()}'"
    return own | changes


def _state(container: Container) -> str:
    state = container.attrs["State"]
    if state["Status"] != "running":
        return f"{state['Status']} {state['ExitCode']}"
    return str(state.get("Health", {}).get("Status", "running"))
