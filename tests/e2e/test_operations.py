"""What runs by itself or repairs something: retraining woken by an event, notices, clearing, rolling back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest

from infra.local.airflow_api import AirflowApi
from tests.e2e.form import wait_for
from tests.e2e.run_pipeline import outcome, wait

if TYPE_CHECKING:
    from tests.e2e.conftest import Pipeline

pytestmark = pytest.mark.e2e

TRAIN, RETRAIN = "psgpo_train", "psgpo_retrain"
ENDED = ("success", "failed")


@pytest.fixture(scope="module", autouse=True)
def begun(api: AirflowApi, without_prm: dict[str, Any]) -> None:
    """Runs that go on beside the tests here."""
    api._call("PATCH", f"/api/v2/dags/{RETRAIN}", {"is_paused": False})
    api.trigger(RETRAIN, "late", {"data_source": "/nowhere.jsonl"})  # fails: a deadline is left of such a run
    api.trigger("psgpo_rollback", "first", {})
    api.trigger(TRAIN, "cleared", {"profile": "smoke", "ppo_lerning_rate": 1})


def test_a_failed_run_is_told_of_once_and_its_log_opens(
    result: Callable[[str], dict[str, Any]], pipeline: Pipeline
) -> None:
    assert result("refused")["state"] == "failed"
    told = wait_for(lambda: messages(pipeline, "refused") or None)
    assert [(one["event"], one["dag"], one["task"]) for one in told] == [("failed", TRAIN, "plan")]
    assert "parameter 'ppo_lerning_rate': is unknown" in told[0]["cause"]
    with urlopen(told[0]["log"], timeout=30) as page:
        assert page.status == 200


def test_a_late_run_is_told_of_once(pipeline: Pipeline, api: AirflowApi) -> None:
    """Its deadline is made to have passed; all that follows is Airflow's own doing."""
    wait(api, RETRAIN, "late")
    with sqlite3.connect(pipeline.settings.airflow_home / "airflow.db", timeout=30) as database:
        moved = database.execute(
            "UPDATE deadline SET deadline_time = '2020-01-01 00:00:00' WHERE missed = 0 AND dagrun_id = "
            "(SELECT id FROM dag_run WHERE run_id = 'late')"
        )
        assert moved.rowcount == 1
    told = wait_for(lambda: [one for one in messages(pipeline, "late") if one["event"] == "is late"] or None)
    assert [(one["dag"], one["run"]) for one in told] == [(RETRAIN, "late")]
    assert told[0]["log"].endswith(f"/dags/{RETRAIN}/runs/late")


def test_an_event_wakes_retraining_and_nothing_new_ends_it_with_the_reason(api: AirflowApi) -> None:
    """Two events: what comes while a run is active leads to a run after it, and then to none."""
    before = set(api.run_ids(RETRAIN))
    assets = api._call("GET", "/api/v2/assets?name_pattern=psgpo_problems")["assets"]
    emit(api, assets[0]["id"])
    first = wait_for(lambda: next(iter(set(api.run_ids(RETRAIN)) - before), None))
    emit(api, assets[0]["id"])
    assert api.run(RETRAIN, first)["state"] not in ENDED
    second = wait_for(lambda: next(iter(set(api.run_ids(RETRAIN)) - before - {first}), None))
    for run_id in (first, second):
        wait(api, RETRAIN, run_id)
        run = api.run(RETRAIN, run_id)
        assert (run["state"], run["run_type"]) == ("success", "asset_triggered")
        assert "nothing new: version" in run["note"]
        states = outcome(api, RETRAIN, run_id)["states"]
        assert (states["train/-1"], states["conclude/-1"]) == ("skipped", "skipped")
    assert not [run_id for run_id in api.run_ids(TRAIN) if run_id.startswith("retrain_")]
    assert set(api.run_ids(RETRAIN)) == {*before, first, second}


def test_a_failed_run_can_be_cleared(pipeline: Pipeline, api: AirflowApi) -> None:
    wait(api, TRAIN, "cleared")
    body = {"dry_run": False, "dag_run_id": "cleared", "task_ids": ["plan"], "reset_dag_runs": True}
    api._call("POST", f"/api/v2/dags/{TRAIN}/clearTaskInstances", body)
    assert api.run(TRAIN, "cleared")["state"] not in ENDED
    wait(api, TRAIN, "cleared")
    told = wait_for(lambda: found if len(found := messages(pipeline, "cleared")) > 1 else None)
    assert [one["event"] for one in told] == ["failed", "failed"]


def test_there_is_no_way_back_from_the_first_champion(api: AirflowApi) -> None:
    wait(api, "psgpo_rollback", "first")
    states = outcome(api, "psgpo_rollback", "first")["states"]
    assert states == {"look/-1": "failed", "back/-1": "upstream_failed"}


def messages(pipeline: Pipeline, run_id: str) -> list[dict[str, Any]]:
    return [one for one in pipeline.messages if one["run"] == run_id]


def emit(api: AirflowApi, asset_id: int) -> None:
    api._call("POST", "/api/v2/assets/events", {"asset_id": asset_id, "extra": {}})
