"""Airflow: its scheduler dies under a run, two runs want the same work, a run is cancelled, secrets are searched for."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from infra.local import processes, stack
from infra.local.airflow_api import AirflowApi
from infra.local.environment import stack_environment
from infra.local.settings import Settings
from tests.chaos.scene import Scene
from tests.chaos.tally import Tally
from tests.conftest import free_port

DAG = "psgpo_train"
SMALL = {"profile": "smoke", "arms_arms": ["rl"], "evaluation_problems": 4}
PATIENCE = 900.0
STOP_SECONDS = 30.0


def faults(scene: Scene) -> Iterator[Tally]:
    settings = Settings(scene.folder / "stack", free_port(), free_port())
    scene.closing.callback(processes.stop, settings.state)
    api = stack.up(settings, lambda line: None)
    yield scheduler_killed(scene, settings, api)
    yield same_run_twice(settings, api)
    yield cancelled(settings, api)
    yield secrets(settings)


def scheduler_killed(scene: Scene, settings: Settings, api: AirflowApi) -> Tally:
    """SIGKILL while tasks run, a new scheduler seconds later: the run ends as if nothing had been."""
    tally = Tally("Airflow: scheduler killed during a run and started again")
    _trigger(api, "killed", SMALL)
    _wait_for(lambda: bool(_jobs(settings)), 180)
    time.sleep(random.Random(f"airflow/{scene.seed}").uniform(0, 10))
    for process in _of_stack(settings, "scheduler"):
        process.kill()
    tally.injected += 1
    time.sleep(3)
    argv = [str(Path(sys.executable).parent / "airflow"), "scheduler", "--skip-serve-logs"]
    processes.start("scheduler-again", argv, stack_environment(settings), settings.state)
    state = _end(api, "killed")
    tally.completed += tally.check(state == "success", f"the run ended {state}")
    return tally


def same_run_twice(settings: Settings, api: AirflowApi) -> Tally:
    """Two identical runs at once: both succeed, and every artifact is made once."""
    tally = Tally("Airflow: two identical runs at once")
    conf = {**SMALL, "data_seed": 1}
    for name in ("twin-a", "twin-b"):
        _trigger(api, name, conf)
    tally.injected += 1
    for name in ("twin-a", "twin-b"):
        state = _end(api, name)
        tally.completed += tally.check(state == "success", f"{name} ended {state}")
    first, second = (_artifacts(api, name) for name in ("twin-a", "twin-b"))
    tally.check(set(first) == set(second), "the two made different artifacts")
    tally.duplicated += sum(not first[one] and not second[one] for one in set(first) & set(second))
    return tally


def cancelled(settings: Settings, api: AirflowApi) -> Tally:
    """A run that is marked failed stops its jobs within 30 seconds."""
    tally = Tally("Airflow: run cancelled, processes gone within 30 s")
    _trigger(api, "cancelled", {**SMALL, "data_seed": 2, "sft_epochs": 200})
    _wait_for(lambda: any("sft" in job.cmdline() for job in _jobs(settings)), 240)
    api._call("PATCH", f"/api/v2/dags/{DAG}/dagRuns/cancelled", {"state": "failed"})
    began = time.monotonic()
    tally.injected += 1
    gone = _wait_for(lambda: not _jobs(settings), STOP_SECONDS, fail=False)
    tally.completed += tally.check(gone, f"after {time.monotonic() - began:.0f} s {_jobs(settings)} run")
    return tally


def secrets(settings: Settings) -> Tally:
    """The stack's own secrets, in the logs, databases and files of all these runs."""
    tally = Tally("Airflow: secrets of the stack, searched for in logs, databases, store")
    home = settings.airflow_home
    own = [(home / name).read_text().strip() for name in ("api_secret", "jwt_secret")]
    own += list(json.loads((home / "passwords.json").read_text()).values())
    kept = {home / name for name in ("api_secret", "jwt_secret", "passwords.json")}
    files = [path for path in settings.state.rglob("*") if path.is_file() and path not in kept]
    tally.injected = len(own)
    tally.check(len(files) > 50, "there was nothing to search")
    for path in files:
        content = path.read_bytes()
        for number, secret in enumerate(own):
            tally.check(
                secret.encode() not in content, f"secret {number} is in {path.relative_to(settings.state)}"
            )
    tally.completed = len(own) if not tally.wrong else 0
    return tally


def _trigger(api: AirflowApi, name: str, conf: dict[str, Any]) -> None:
    _wait_for(lambda: api.has_dag(DAG), 120)
    api.trigger(DAG, name, conf)


def _end(api: AirflowApi, name: str) -> str:
    """The state in which a run ended."""
    _wait_for(lambda: api.run(DAG, name)["state"] in ("success", "failed"), PATIENCE, fail=False)
    return str(api.run(DAG, name)["state"])


def _artifacts(api: AirflowApi, name: str) -> dict[str, bool]:
    """Artifacts that a run's tasks returned, and whether each was found made."""
    found = {}
    for one in api.task_instances(DAG, name):
        if one["state"] == "success":
            with suppress(Exception):  # tasks without envelope
                envelope = api.xcom(DAG, name, one["task_id"], one["map_index"])
                found[str(envelope["artifact"])] = bool(envelope["cached"])
    return found


def _jobs(settings: Settings) -> list[psutil.Process]:
    """Stage processes of the stack."""
    found = []
    for process in processes.running(settings.state):
        with suppress(psutil.Error):
            if process.cmdline()[1:3] == ["-m", "tasks"]:
                found.append(process)
    return found


def _of_stack(settings: Settings, component: str) -> list[psutil.Process]:
    found = []
    for process in processes.running(settings.state):
        with suppress(psutil.Error):
            line = " ".join(process.cmdline())
            if f"airflow {component}" in line:
                found.append(process)
    return found


def _wait_for(condition: Callable[[], bool], seconds: float, *, fail: bool = True) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(psutil.Error):
            if condition():
                return True
        time.sleep(0.5)
    if fail:
        raise RuntimeError(f"nothing after {seconds:.0f} s")
    return False
