"""`make demo`: the stack up, `psgpo_train` triggered and followed, the result printed."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime

from infra.local.airflow_api import AirflowApi
from infra.local.display import Display
from infra.local.environment import ADMIN, admin_password
from infra.local.following import DAG, Follower, Snapshot
from infra.local.settings import Settings
from infra.local.stack import StackError, up
from infra.local.summary import (
    addresses,
    failures,
    read_results,
    report_folder,
    results_table,
    seconds_table,
    spent_by_task,
)
from tasks.profiles import load_config

_LOOK_EVERY = 2.0
_DAG_SECONDS = 60.0


def run_demo(settings: Settings, profile: str) -> int:
    """Returns 0 only if the run succeeded. Raises BadInput for an unknown profile, StackError when nothing starts."""
    load_config(profile)
    began = time.monotonic()
    api = up(settings, lambda text: print(f"stack: {text}", flush=True))
    _wait_for_dag(api)
    stack_seconds = time.monotonic() - began
    run_id = f"{profile}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    api.trigger(DAG, run_id, {"profile": profile})
    print(f"Airflow  {settings.airflow_uri}/dags/{DAG}/runs/{run_id}")
    print(f"         user {ADMIN}, password {admin_password(settings)}")
    follower = Follower(api, settings, run_id)
    last = _follow(follower)
    if last.state != "success":
        _tell(failures(follower, follower.instances()))
        print(
            f"\nthe run failed; everything computed so far is kept: {settings.airflow_uri}/dags/{DAG}/runs/{run_id}"
        )
        return 1
    _tell_success(follower, stack_seconds, time.monotonic() - began)
    return 0


def _wait_for_dag(api: AirflowApi) -> None:
    deadline = time.monotonic() + _DAG_SECONDS
    while not api.has_dag(DAG):
        if errors := api.import_errors():
            raise StackError("Airflow cannot read its DAGs:\n" + "\n".join(errors))
        if time.monotonic() > deadline:
            raise StackError(f"Airflow does not know the DAG {DAG} after {_DAG_SECONDS:.0f} s")
        time.sleep(0.5)


def _follow(follower: Follower) -> Snapshot:
    display = Display()
    while True:
        snapshot = follower.snapshot()
        display.show(snapshot)
        if snapshot.state in ("success", "failed"):
            display.close()
            return snapshot
        time.sleep(_LOOK_EVERY)


def _tell_success(follower: Follower, stack_seconds: float, wall_seconds: float) -> None:
    api, run_id = follower.api, follower.run_id
    spent = spent_by_task(follower)
    report = report_folder(api.xcom(DAG, run_id, "report")["artifact"])
    print()
    _tell(seconds_table(spent, stack_seconds, wall_seconds))
    print()
    _tell(results_table(read_results(report)))
    print()
    _tell(addresses(follower.settings, run_id, api.xcom(DAG, run_id, "plan"), report / "report.html"))


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)
