"""Pools, variables and connections: one source for both stacks, in the form that Airflow takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra import airflow_objects
from infra.airflow_objects import NOTICES, connections, pools, variables
from infra.local.stack import parts_of

MAIL = "smtp://me%40lab.org:pass%2Fword@mail.lab.org:587/?to=team%40lab.org&disable_ssl=true"
HOOK = "https://chat.lab.org/services/T0/B1?thread=7"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a deployment imports: written by a Python that has nothing but itself."""
    program = Path(airflow_objects.__file__)
    environment = {"JOB_SLOTS": "3", "NOTICE_EMAIL": MAIL, "NOTICE_WEBHOOK": ""}
    subprocess.run([sys.executable, "-IS", str(program), str(tmp_path / "out")], env=environment, check=True)
    return tmp_path / "out"


def test_the_dags_and_the_objects_have_the_same_names() -> None:
    from dags import jobs, maintenance, notices, psgpo_retrain

    assert set(pools(1)) == {jobs.POOL}
    assert set(variables()) == {psgpo_retrain.VARIABLE, maintenance.VARIABLE}
    assert set(NOTICES.values()) == {notices.WEBHOOK, notices.EMAIL}


def test_airflow_reads_what_is_written(folder: Path) -> None:
    """By its own readers: those of `airflow variables import` and `airflow connections import`."""
    from airflow.secrets.local_filesystem import load_connections_dict, load_variables

    read = load_variables(str(folder / "variables.json"))
    assert {key: one["value"] for key, one in read.items()} == dict.fromkeys(variables(), "{}")
    found = load_connections_dict(str(folder / "connections.json"))
    assert set(found) == {"psgpo_notice_email"}  # the other one is not set
    mail = found["psgpo_notice_email"]
    assert (mail.login, mail.password) == ("me@lab.org", "pass/word")
    assert (mail.host, mail.port) == ("mail.lab.org", 587)
    (jobs,) = json.loads((folder / "pools.json").read_text()).values()
    assert jobs["slots"] == 3
    assert {"slots", "description"} <= set(jobs)  # what `airflow pools import` asks for


@pytest.mark.parametrize("address", [MAIL, HOOK])
def test_an_address_has_the_same_parts_for_the_rest_interface(address: str) -> None:
    from airflow.sdk import Connection

    wanted, found = Connection.from_uri(address, conn_id="c"), parts_of(address)
    for name, value in found.items():
        if name != "extra":
            assert (getattr(wanted, name) or None) == value, name
    assert json.loads(found["extra"]) == wanted.extra_dejson


def test_what_is_not_set_is_no_connection() -> None:
    environment: dict[str, Any] = {"NOTICE_WEBHOOK": HOOK, "NOTICE_EMAIL": ""}
    assert connections(environment) == {"psgpo_notice_webhook": HOOK}
    assert connections({}) == {}
