"""The note on a run's page: written though Airflow's server has a bad moment, and a cause where it cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from dags import airflow_api
from dags.steps import _failures
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


def test_a_failed_run_names_its_tasks_and_what_they_said() -> None:
    said = {
        ("sft", -1): "sft: exit code 1: out of memory",
        ("arms.evaluate", 2): "evaluate: no such artifact",
    }
    context = {
        "dag": SimpleNamespace(task_ids=["plan", "sft", "baseline", "arms.evaluate"]),
        "ti": SimpleNamespace(
            xcom_pull=lambda key, task_ids, map_indexes: said[task_ids, map_indexes]  # none is an error
        ),
    }
    states = {"plan": "success", "sft": "failed", "baseline": "failed", "arms.evaluate_2": "failed"}
    named = list(_failures(context, states))
    assert named == [
        "arms.evaluate_2: evaluate: no such artifact",
        "baseline",
        "sft: sft: exit code 1: out of memory",
    ]
    note = list(result_lines(None, "", [*named, "report"], 0.0, 120.0))
    assert note[:4] == [*(f"**Failed** {one}" for one in named), "**Failed** 1 more"]
    assert "trigger again" in note[4]
    assert list(result_lines(None, "", [], 0.0, 120.0)) == ["**Time** 2 min"]
