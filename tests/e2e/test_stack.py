"""The embedded stack itself: up, its pages and refusals, down, nothing left, up again. The last tests: they stop it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from infra.airflow_objects import JOB_POOL
from infra.local import processes
from infra.local.airflow_api import AirflowApi, AirflowError
from infra.local.environment import JOB_SLOTS
from infra.local.following import DAG
from infra.local.settings import ROOT, Settings
from infra.local.stack import login

pytestmark = pytest.mark.e2e


def command(settings: Settings, name: str, *more: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "AIRFLOW_PORT": str(settings.airflow_port),
        "MLFLOW_PORT": str(settings.mlflow_port),
        "PSGPO_STATE": str(settings.state),
    }
    argv = [sys.executable, "-m", "infra.local", name, *more]
    return subprocess.run(argv, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


def test_up_again_finds_it_running(settings: Settings) -> None:
    before = components(settings)
    again = command(settings, "up")
    assert (again.returncode, "already running" in again.stdout) == (0, True)
    assert len(before) > 3
    assert before <= components(settings)
    assert re.search(r"user admin, password \S{16}", again.stdout)


def test_both_pages_are_served(settings: Settings) -> None:
    for address in (settings.airflow_uri, settings.mlflow_uri):
        with urlopen(address, timeout=30) as page:
            assert b"<html" in page.read().lower()


def test_jobs_have_a_pool_of_one_slot_per_core(api: AirflowApi) -> None:
    assert api._call("GET", f"/api/v2/pools/{JOB_POOL}")["slots"] == JOB_SLOTS


def test_a_wrong_type_is_refused_at_the_door(api: AirflowApi) -> None:
    with pytest.raises(AirflowError, match=r"400.*ppo_steps"):
        api.trigger(DAG, "wrong-type", {"ppo_steps": "many"})


def test_a_wrong_password_is_refused(settings: Settings) -> None:
    with pytest.raises(AirflowError, match="401"):
        AirflowApi(settings.airflow_uri, "admin", "wrong")


def test_down_leaves_nothing_and_up_keeps_state(settings: Settings, api: AirflowApi) -> None:
    ended = command(settings, "down")
    assert ended.returncode == 0
    assert re.fullmatch(r"stack: [1-9]\d* processes ended\n", ended.stdout)
    assert processes.running(settings.state) == []
    assert still_marked(settings.state) == []
    assert command(settings, "down").stdout == "stack: nothing was running\n"
    assert command(settings, "up").returncode == 0
    assert login(settings).run(DAG, "refused")["state"] == "failed"


def components(settings: Settings) -> set[int]:
    """Process ids of servers; what they start for a moment has no session of its own."""
    return {
        process.pid for process in processes.running(settings.state) if os.getsid(process.pid) == process.pid
    }


def still_marked(state: Path) -> list[str]:
    """Lines of `ps` for processes of the stack: the same question put to another program."""
    listing = subprocess.run(
        ["ps", "axeww", "-o", "pid,stat,command"], capture_output=True, text=True, check=True
    )
    return [
        line
        for line in listing.stdout.splitlines()
        if f"{processes.MARK}={state}" in line and " Z" not in line
    ]
