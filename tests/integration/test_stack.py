"""The embedded stack for real: up, healthy, a run refused by its first task, down, nothing left."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from infra.local import processes
from infra.local.airflow_api import AirflowApi, AirflowError
from infra.local.following import DAG, Follower
from infra.local.settings import ROOT, Settings
from infra.local.stack import JOB_SLOTS, POOL, login
from tests.conftest import free_port

pytestmark = pytest.mark.slow


def command(settings: Settings, name: str, *more: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "AIRFLOW_PORT": str(settings.airflow_port),
        "MLFLOW_PORT": str(settings.mlflow_port),
        "PSGPO_STATE": str(settings.state),
    }
    argv = [sys.executable, "-m", "infra.local", name, *more]
    return subprocess.run(argv, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = Settings(tmp_path_factory.mktemp("state"), free_port(), free_port())
    started = command(settings, "up")
    try:
        assert started.returncode == 0, started.stderr
        yield settings
    finally:
        processes.stop(settings.state)


@pytest.fixture(scope="module")
def api(stack: Settings) -> AirflowApi:
    api = login(stack)
    deadline = time.monotonic() + 60
    while not api.has_dag(DAG) and time.monotonic() < deadline:
        time.sleep(0.5)
    return api


def test_up_again_finds_it_running(stack: Settings) -> None:
    before = {process.pid for process in processes.running(stack.state)}
    again = command(stack, "up")
    assert (again.returncode, "already running" in again.stdout) == (0, True)
    assert before <= {process.pid for process in processes.running(stack.state)}
    assert re.search(r"user admin, password \S{16}", again.stdout)


def test_both_pages_are_served(stack: Settings) -> None:
    for address in (stack.airflow_uri, stack.mlflow_uri):
        with urlopen(address, timeout=30) as page:
            assert b"<html" in page.read().lower()


def test_jobs_have_a_pool_of_one_slot_per_core(api: AirflowApi) -> None:
    assert api._call("GET", f"/api/v2/pools/{POOL}")["slots"] == JOB_SLOTS


def test_a_wrong_type_is_refused_at_the_door(api: AirflowApi) -> None:
    with pytest.raises(AirflowError, match=r"400.*ppo_steps"):
        api.trigger(DAG, "wrong-type", {"ppo_steps": "many"})


def test_a_wrong_password_is_refused(stack: Settings) -> None:
    with pytest.raises(AirflowError, match="401"):
        AirflowApi(stack.airflow_uri, "admin", "wrong")


def test_an_unknown_key_fails_the_first_task_at_once_and_is_named(api: AirflowApi, stack: Settings) -> None:
    api.trigger(DAG, "unknown-key", {"nonsense": 1})
    follower = Follower(api, stack, "unknown-key")
    deadline = time.monotonic() + 120
    while (snapshot := follower.snapshot()).state not in (
        "failed",
        "success",
    ) and time.monotonic() < deadline:
        time.sleep(1)
    assert snapshot.state == "failed"
    (plan,) = [one for one in follower.instances() if one["state"] == "failed"]
    assert (plan["task_id"], plan["try_number"]) == ("plan", 1)
    assert any("parameter 'nonsense': is unknown" in line for line in follower.log_tail(plan))


def test_down_leaves_nothing_and_up_keeps_state(stack: Settings, api: AirflowApi) -> None:
    ended = command(stack, "down")
    assert ended.returncode == 0
    assert re.fullmatch(r"stack: [1-9]\d* processes ended\n", ended.stdout)
    assert processes.running(stack.state) == []
    assert still_marked(stack.state) == []
    assert command(stack, "down").stdout == "stack: nothing was running\n"
    assert command(stack, "up").returncode == 0
    assert login(stack).run(DAG, "unknown-key")["state"] == "failed"


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
