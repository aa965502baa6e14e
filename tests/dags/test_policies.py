"""What every DAG of the project keeps to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "transformers", "great_expectations", "mlflow", "pandas", "pyarrow", "deepspeed", "boto3")
PARSE = f"""
import json, sys
from airflow.dag_processing.dagbag import DagBag
before = set(sys.modules)
bag = DagBag({str(ROOT / "dags")!r})
from airflow.serialization.serialized_objects import DagSerialization
dags = {{name: DagSerialization.to_dict(dag) for name, dag in sorted(bag.dags.items())}}
print(json.dumps([sorted(set(sys.modules) - before), bag.import_errors, dags]))
"""


def parse_in_a_fresh_process(hash_seed: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", PARSE],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_two_parses_are_equal_and_import_nothing_heavy() -> None:
    modules, errors, first = parse_in_a_fresh_process("1")
    _, _, second = parse_in_a_fresh_process("2")
    assert errors == {}
    assert {"psgpo_train", "psgpo_evaluate", "psgpo_retrain", "psgpo_maintain"} <= set(first)
    assert first == second
    assert [name for name in HEAVY if name in modules] == []
    assert "dags.jobs" in modules  # the comparison sees what a parse imports


def test_every_dag_explains_itself(dags: dict[str, Any]) -> None:
    for dag in dags.values():
        assert dag.tags
        assert dag.doc_md
        for part in ("**In**", "**Out**", "**Cost**", "**If it fails**"):
            assert part in dag.doc_md
        assert dag.max_active_runs == (2 if dag.dag_id == "psgpo_study" else 1)
        assert not dag.catchup


def test_every_task_has_owner_retries_and_timeout(dags: dict[str, Any]) -> None:
    for dag in dags.values():
        for task in dag.tasks:
            owner, retries, timeout, _ = settings(task)
            assert owner == "psgpo"
            assert retries == 2
            assert timedelta(0) < timeout <= timedelta(hours=13)


def test_a_run_is_judged_by_the_task_that_always_comes_last(dags: dict[str, Any]) -> None:
    """Else a run that a person marks failed ends as a success: Airflow skips its leaves, and skipped is no failure."""
    last = {dag.dag_id: [task for task in dag.tasks if task.is_teardown] for dag in dags.values()}
    assert {name for name, found in last.items() if found} == {
        "psgpo_train", "psgpo_evaluate", "psgpo_maintain", "psgpo_study",
    }  # fmt: skip
    for found in last.values():
        assert [task.task_id for task in found] in ([], ["conclude"])
        assert all(task.on_failure_fail_dagrun for task in found)


def test_no_task_has_an_argument_that_airflow_passes_itself(dags: dict[str, Any]) -> None:
    """Decorated sensors refuse such names, and only when they run."""
    from inspect import signature

    reserved = {"run_id", "dag", "dag_run", "task", "ti", "params", "conn", "var", "ds", "ts", "reason"}
    functions = [
        task.python_callable
        for dag in dags.values()
        for task in dag.tasks
        if hasattr(task, "python_callable")
    ]
    assert {"trained", "conclude", "something_new"} <= {function.__name__ for function in functions}
    for function in functions:
        assert not reserved & set(signature(function).parameters), function.__name__


def test_only_jobs_take_slots_of_the_job_pool(dags: dict[str, Any]) -> None:
    """The last task takes none: behind another run's jobs, a run that was stopped would seem to go on for hours."""
    for dag in dags.values():
        for task in dag.tasks:
            is_job = hasattr(task, "stage") or "stage" in getattr(task, "partial_kwargs", {})
            is_job = is_job and task.task_id != "conclude"
            assert (settings(task)[3] == "jobs") == is_job


def settings(task: Any) -> tuple[str, int, timedelta, str]:
    return task.owner, task.retries, task.execution_timeout, task.pool


@pytest.mark.parametrize("name", [*HEAVY, "airflow"])
def test_heavy_names_are_real(name: str) -> None:
    """A misspelt name in HEAVY would make its check pass for ever."""
    import importlib.util

    assert importlib.util.find_spec(name) is not None
