"""Retraining: what wakes it up, what it starts, and that its own output never does."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.form import RETRAINING, form_fields


@pytest.fixture
def retrain(dags: dict[str, Any]) -> Any:
    return dags["psgpo_retrain"]


def test_it_looks_first_and_trains_by_the_training_dag(retrain: Any) -> None:
    for before, after in pairwise(["plan", "something_new", "train", "trained", "conclude"]):
        assert after in retrain.get_task(before).downstream_task_ids
    train = retrain.get_task("train")
    assert train.trigger_dag_id == "psgpo_train"
    assert retrain.get_task("trained").mode == "reschedule"


def test_the_form_is_an_item_of_the_plan_that_the_plan_hands_on_by_itself(retrain: Any) -> None:
    conf = retrain.get_task("train").conf
    assert (conf.operator.task_id, conf.key) == ("plan", "conf")
    assert retrain.get_task("plan").multiple_outputs


def test_it_runs_weekly_or_when_problems_are_announced(retrain: Any) -> None:
    timetable = retrain.timetable
    assert timetable.timetable.expression == "0 3 * * 1"
    assert [asset.name for asset in timetable.asset_condition.objects] == ["psgpo_problems"]
    assert retrain.is_paused_upon_creation


def test_no_dag_announces_problems(dags: dict[str, Any]) -> None:
    """A DAG that produced the asset would wake retraining with its own output, and so for ever."""
    producers = [(dag.dag_id, task.task_id) for dag in dags.values() for task in dag.tasks if outlets(task)]
    assert producers == []


def outlets(task: Any) -> Any:
    return task.partial_kwargs.get("outlets") if task.is_mapped else task.outlets


def test_only_retraining_starts_other_runs(dags: dict[str, Any]) -> None:
    starters = {
        (dag.dag_id, task.trigger_dag_id)
        for dag in dags.values()
        for task in dag.tasks
        if hasattr(task, "trigger_dag_id")
    }
    assert starters == {("psgpo_retrain", "psgpo_train")}


def test_nothing_new_skips_the_training(retrain: Any) -> None:
    look = retrain.get_task("something_new").python_callable
    assert look({"new": True})
    assert not look({"new": False})
    assert retrain.get_task("something_new").ignore_downstream_trigger_rules


def test_the_training_run_is_found_again_by_its_name(retrain: Any) -> None:
    train, trained = retrain.get_task("train"), retrain.get_task("trained")
    assert train.started_run_id == trained.op_args[0] == "retrain_{{ run_id }}"
    assert trained.trigger_rule == "none_failed"  # `train` is skipped when its run exists


def test_the_start_goes_without_waiting_and_finds_a_run_it_started_before(
    retrain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import DagRunTriggerException

    monkeypatch.setenv("PSGPO_AIRFLOW_UI", "http://airflow")
    train, pushed = retrain.get_task("train").prepare_for_execution(), {}
    train.conf, train.started_run_id = {"profile": "smoke"}, "retrain_r"
    ti = SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))
    with pytest.raises(DagRunTriggerException) as started:
        train.execute({"ti": ti})
    asked = started.value
    assert (asked.trigger_dag_id, asked.dag_run_id, asked.conf) == ("psgpo_train", "retrain_r", train.conf)
    assert asked.skip_when_already_exists
    assert (asked.wait_for_completion, asked.reset_dag_run) == (False, False)
    assert list(pushed.values()) == ["http://airflow/dags/psgpo_train/runs/retrain_r"]
    assert [link.get_link(train, ti_key=None) for link in train.operator_extra_links] == list(pushed.values())


@pytest.mark.parametrize(("state", "done"), [("queued", False), ("running", False), ("success", True)])
def test_it_waits_for_the_end_of_the_training(
    retrain: Any, monkeypatch: pytest.MonkeyPatch, state: str, done: bool
) -> None:
    assert waiting(retrain, monkeypatch, state)() is done


def test_a_failed_training_is_named(retrain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    with pytest.raises(AirflowFailException, match="the run retrain_r of psgpo_train failed"):
        waiting(retrain, monkeypatch, "failed")()


def waiting(retrain: Any, monkeypatch: pytest.MonkeyPatch, state: str) -> Callable[[], bool]:
    """What `trained` does when Airflow tells this state, in the type in which it tells it."""
    from airflow.sdk.api.datamodels._generated import DagRunStateResponse

    told = DagRunStateResponse.model_validate({"state": state}).state
    ti = SimpleNamespace(get_dagrun_state=lambda dag_id, run_id: told)
    look = retrain.get_task("trained").python_callable
    monkeypatch.setitem(look.__globals__, "get_current_context", lambda: {"ti": ti})
    return lambda: bool(look("retrain_r"))


def test_the_form_is_generated_and_its_defaults_are_valid(retrain: Any) -> None:
    assert list(retrain.params) == [
        "profile",
        *(field.name for field in form_fields(RETRAINING)),
        "overrides",
    ]
    retrain.params.validate()


def test_the_variable_fills_what_the_form_leaves_empty(retrain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_PSGPO_RETRAIN", '{"data_source": "v.jsonl", "arms_n_seeds": 3}')
    context = {
        "params": dict(retrain.params),
        "dag_run": SimpleNamespace(conf={"data_source": None, "arms_n_seeds": 1}),
    }
    conf = retrain.get_task("plan")._conf(context)
    assert conf == {"data_source": "v.jsonl", "arms_n_seeds": 1}


def test_a_variable_that_is_no_form_is_refused(retrain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    monkeypatch.setenv("AIRFLOW_VAR_PSGPO_RETRAIN", "[1]")
    with pytest.raises(AirflowFailException, match="psgpo_retrain"):
        retrain.get_task("plan")._conf({"params": {}, "dag_run": SimpleNamespace(conf=None)})
