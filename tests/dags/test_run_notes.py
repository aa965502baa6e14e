"""The note on a run's page: written though Airflow's server has a bad moment, and a cause where it cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from dags import airflow_api
from dags.steps import fail_with_the_run, failures
from tasks.conclude import result_lines
from tests.dags.serving import JsonHandler, serving

CONTEXT = {"ti": SimpleNamespace(dag_id="psgpo_train"), "run_id": "night"}


class Server(JsonHandler):
    """Gives a token to everybody; refuses as many notes as `refused` says, then keeps them."""

    kept: list[Any]
    refused: int

    def do_POST(self) -> None:
        self.answer({"access_token": "t"}, 201)

    def do_PATCH(self) -> None:
        note = self.body()
        if type(self).refused > 0:
            type(self).refused -= 1
            self.answer({"detail": "database is locked"}, 500)
        else:
            self.kept.append((self.path, note))
            self.answer(note)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Server]]:
    handler = type("Handler", (Server,), {"kept": [], "refused": 0})
    monkeypatch.setattr(airflow_api, "PAUSES", (0.01, 0.01))
    with serving(handler) as address:
        monkeypatch.setenv("AIRFLOW_CONN_PSGPO_AIRFLOW", f"http://admin:secret@{address}")
        yield handler


@pytest.mark.parametrize("refused", [0, 1, 2])
def test_a_bad_moment_loses_no_note(server: Any, refused: int) -> None:
    server.refused = refused
    assert airflow_api.write_run_note(CONTEXT, "**Result** rl") == ""
    assert server.kept == [("/api/v2/dags/psgpo_train/dagRuns/night", {"note": "**Result** rl"})]


def test_a_server_that_stays_unwell_is_the_cause(server: Any) -> None:
    server.refused = 3
    assert "HTTP Error 500" in airflow_api.write_run_note(CONTEXT, "**Result** rl")
    assert server.kept == []


def the_last(states: dict[str, str], said: Any = None, budget: float = 0.0) -> Any:
    """The context of a task that comes after `report` and the mapped `arms.evaluate`; what it leaves is in `left`."""
    left: dict[str, Any] = {}

    def pull(task_ids: str, key: str = "return_value", map_indexes: int = -1) -> Any:
        return {"budget_seconds": budget} if task_ids == "plan" else (said or {})[task_ids, map_indexes]

    ti = SimpleNamespace(
        dag_id="psgpo_train",
        left=left,
        xcom_pull=pull,
        xcom_push=lambda key, value: left.update({key: value}),
        get_task_states=lambda dag_id, run_ids: {run_ids[0]: states},
    )
    dag = SimpleNamespace(task_ids=["plan", "sft", "baseline", "arms.evaluate", "report", "conclude"])
    task = SimpleNamespace(upstream_task_ids={"plan", "arms.evaluate", "report"})
    return {"dag": dag, "ti": ti, "task": task, "run_id": "night"}


def test_a_failed_run_names_its_tasks_and_what_they_said() -> None:
    said = {
        ("sft", -1): "sft: exit code 1: out of memory",
        ("arms.evaluate", 2): "evaluate: no such artifact",
    }
    states = {"plan": "success", "sft": "failed", "baseline": "failed", "arms.evaluate_2": "failed"}
    context = the_last(states, said)  # asking for what baseline said is an error
    named = [str(one) for one in failures(context, states)]
    assert named == [
        "arms.evaluate[2]: evaluate: no such artifact",
        "baseline",
        "sft: sft: exit code 1: out of memory",
    ]
    note = list(result_lines(None, "", [*named, "report"], 0.0, 120.0))
    assert note[:4] == [*(f"**Failed** {one}" for one in named), "**Failed** 1 more"]
    assert "trigger again" in note[4]


def test_what_ends_a_failed_run_fails_too_and_leaves_behind_who_is_to_blame() -> None:
    states = {"plan": "success", "sft": "failed", "report": "skipped", "conclude": "running"}
    context = the_last(states, {("sft", -1): "sft: memory: killed"})
    with pytest.raises(AirflowFailException, match=r"this run failed: sft: sft: memory: killed$"):
        fail_with_the_run(context)
    assert context["ti"].left == {
        "blamed": {"task_id": "sft", "map_index": -1, "cause": "sft: memory: killed"}
    }


WHOLE = {"plan": "success", "baseline": "skipped", "arms.evaluate_0": "success", "report": "success"}


@pytest.mark.parametrize(("name", "budget"), [("report", 0), ("report", 60), ("arms.evaluate_0", 0)])
def test_a_run_that_was_stopped_between_two_tasks_has_failed(name: str, budget: float) -> None:
    """Then nothing has: Airflow skips whatever has not begun."""
    with pytest.raises(AirflowFailException, match="somebody marked the run failed"):
        fail_with_the_run(the_last({**WHOLE, name: "skipped", "conclude": "running"}, budget=budget))


def test_a_run_that_went_to_its_end_has_not_failed() -> None:
    fail_with_the_run(the_last({**WHOLE, "conclude": "running"}))
    fail_with_the_run(the_last({**WHOLE, "arms.evaluate_0": "skipped"}, budget=60.0))
