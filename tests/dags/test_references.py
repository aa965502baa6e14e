"""What one task takes from another is there: Airflow finds out only when the task runs."""

from __future__ import annotations

from typing import Any

from airflow.sdk.definitions.xcom_arg import XComArg


def test_tasks_take_whole_results_only(dags: dict[str, Any]) -> None:
    """`result["key"]` in a DAG stands for an XCom of that name, which no operator here makes."""
    taken = [reference for dag in dags.values() for task in dag.tasks for reference in references(task)]
    assert len(taken) > 20
    assert [(operator.task_id, key) for operator, key in taken if key != "return_value"] == []


def test_a_part_of_a_result_is_seen(train: Any) -> None:
    part = train.get_task("plan").output["previous_labels"]
    assert [key for _, key in XComArg.iter_xcom_references({"previous": [part]})] == ["previous_labels"]


def references(task: Any) -> list[tuple[Any, str]]:
    values = task.partial_kwargs if task.is_mapped else vars(task)
    return [pair for name in ("inputs", "cell") for pair in XComArg.iter_xcom_references(values.get(name))]
