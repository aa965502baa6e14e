"""Clearing away: only said unless asked for, and never what an active run uses."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from airflow.sdk.exceptions import AirflowFailException

from tests.dags.serving import JsonHandler, serving

STORE = "file:///store"
POLICY, SFT = (f"{STORE}/policy/{mark * 2}/{mark * 64}" for mark in "ab")
RUN = "manual__2026-11-21T00:00:00+00:00"


@pytest.fixture
def maintain(dags: dict[str, Any]) -> Any:
    return dags["psgpo_maintain"]


class Rest(JsonHandler):
    """Airflow's answers about one active run with three tasks, two to a page."""

    notes: list[str]
    instances = (("sft", -1), ("arms.train_policy", 0), ("arms.train_policy", 1))

    def do_POST(self) -> None:
        self.answer({"access_token": "token"})

    def do_PATCH(self) -> None:
        self.notes.append(self.body()["note"])
        self.answer({})

    def do_GET(self) -> None:
        assert self.headers["Authorization"] == "Bearer token"
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        if parts.path == "/api/v2/dags/~/dagRuns":
            assert query["state"] == ["queued", "running"]
            run = {
                "dag_id": "psgpo_train",
                "dag_run_id": RUN,
                "conf": {"compare_models": [f"{SFT}\nchampion"]},
            }
            self.answer({"dag_runs": [run], "total_entries": 1})
        else:
            assert parts.path.startswith(
                "/api/v2/dags/psgpo_train/dagRuns/manual__2026-11-21T00%3A00%3A00%2B"
            )
            first = int(query["offset"][0])
            page = self.instances[first : first + 2]
            told = [{"task_id": name, "map_index": index} for name, index in page]
            self.answer({"task_instances": told, "total_entries": len(self.instances)})


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """An Airflow that answers as above; the notes it was given."""
    given: list[str] = []
    handler = type("Handler", (Rest,), {"notes": given})
    with serving(handler) as address:
        monkeypatch.setenv("AIRFLOW_CONN_PSGPO_AIRFLOW", f"http://admin:secret@{address}")
        monkeypatch.setenv("PSGPO_STORE", STORE)
        yield given


def ti(**results: Any) -> Any:
    def pull(task_ids: Any, dag_id: str = "", run_id: str = "") -> Any:
        if dag_id:
            assert (dag_id, run_id) == ("psgpo_train", RUN)
            assert task_ids == ["arms.train_policy", "sft"]
            return [{"artifact": POLICY, "metrics": {"loss": 1.0}}, None]
        return results.get(task_ids)

    def states(dag_id: str, run_ids: list[str]) -> dict[str, Any]:
        made = {"plan": "success", "containers": "success", "artifacts": "success", "conclude": "running"}
        return {
            run: {name: state if name in results else "failed" for name, state in made.items()}
            for run in run_ids
        }

    return SimpleNamespace(xcom_pull=pull, dag_id="psgpo_maintain", get_task_states=states)


def asked(maintain: Any, run_type: str = "manual", conf: Any = None, **params: Any) -> Any:
    context = {
        "params": {**maintain.params.dump(), **params},
        "dag_run": SimpleNamespace(run_type=run_type, conf=conf),
    }
    return maintain.get_task("plan").prepare_for_execution().execute(context)


def test_it_looks_every_night_and_comes_paused(maintain: Any) -> None:
    assert maintain.timetable.expression == "0 2 * * *"
    assert maintain.is_paused_upon_creation
    assert maintain.get_task("conclude").upstream_task_ids == {"plan", "containers", "artifacts"}
    assert maintain.get_task("conclude").is_teardown


def test_nothing_is_removed_unless_asked_for(maintain: Any) -> None:
    assert asked(maintain) == {"older_than_days": 30, "remove": False}
    assert asked(maintain, "scheduled") == {"older_than_days": 30, "remove": False}
    assert asked(maintain, remove=True)["remove"]


def test_the_variable_speaks_for_runs_on_schedule_only(
    maintain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_PSGPO_MAINTAIN", '{"remove": true, "older_than_days": 60}')
    assert asked(maintain, "scheduled") == {"older_than_days": 60, "remove": True}
    assert asked(maintain) == {"older_than_days": 30, "remove": False}


@pytest.mark.parametrize(
    ("standing", "conf", "named"),
    [
        ('{"delete": true}', None, "variable psgpo_maintain.*delete.*allowed are older_than_days, remove"),
        ("[1]", None, "variable psgpo_maintain"),
        ('{"remove": "yes"}', None, "remove true or false"),
        ("{}", {"older_than_day": 5}, "parameter.*older_than_day'"),
    ],
)
def test_other_words_are_refused_by_name(
    standing: str, conf: Any, named: str, maintain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    monkeypatch.setenv("AIRFLOW_VAR_PSGPO_MAINTAIN", standing)
    with pytest.raises(AirflowFailException, match=named):
        asked(maintain, "scheduled", conf)


@pytest.mark.parametrize("remove", [False, True])
def test_the_job_keeps_what_active_runs_use(maintain: Any, notes: list[str], remove: bool) -> None:
    job = maintain.get_task("artifacts").prepare_for_execution()
    arguments = job._arguments({"ti": ti(plan={"older_than_days": 60, "remove": remove})})
    kept = ("--keep", POLICY, "--keep", SFT)
    assert arguments == ("--store", STORE, "--older-than-days", "60", *kept, *(["--remove"] * remove))


def test_containers_of_active_runs_are_told_by_their_names(notes: list[str]) -> None:
    from dags.maintenance import live_jobs, logged_in
    from tasks.job_profile import job_name

    names = {job_name("psgpo", "psgpo_train", RUN, task, index) for task, index in Rest.instances}
    assert live_jobs(logged_in(), "psgpo") == names
    assert len(names) == 3


def test_without_knowing_the_active_runs_nothing_is_done(
    maintain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException

    def unknown(name: str) -> Any:
        raise AirflowNotFoundException(name)

    monkeypatch.setattr("dags.airflow_api.Connection.get", unknown)
    monkeypatch.setenv("PSGPO_STORE", STORE)
    job = maintain.get_task("artifacts").prepare_for_execution()
    with pytest.raises(AirflowFailException, match="psgpo_airflow: it is not known which runs are active"):
        job.execute({"ti": ti(plan={"older_than_days": 30, "remove": True})})


def test_where_jobs_are_processes_there_are_no_containers(
    maintain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PSGPO_RUNNER", raising=False)
    containers = maintain.get_task("containers").prepare_for_execution()
    assert containers.execute({}) == "jobs are no containers here"


@pytest.mark.parametrize(
    ("results", "told"),
    [
        (
            {"containers": "removed 2 containers", "artifacts": {"note": "removed 1.0 GB"}},
            "**Containers** removed 2 containers\n\n**Store** removed 1.0 GB",
        ),
        (
            {"containers": "removed 2 containers"},
            "**Containers** removed 2 containers\n\n**Store** failed, see its log",
        ),
    ],
)
def test_the_run_s_note_says_what_became_of_both_and_it_fails_with_the_run(
    results: dict[str, Any], told: str, maintain: Any, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    conclude = maintain.get_task("conclude").python_callable
    task = ti(plan={}, conclude=None, **results)
    task.xcom_push = lambda key, value: None
    context = {"ti": task, "run_id": "night", "dag": maintain, "task": maintain.get_task("conclude")}
    monkeypatch.setitem(conclude.__globals__, "get_current_context", lambda: context)
    if "artifacts" in results:
        assert conclude() == told
    else:
        with pytest.raises(AirflowFailException, match="this run failed: artifacts"):
            conclude()
    assert notes == [told]
