"""Every job of every DAG has a role in the store: without one it could not be run as a container."""

from __future__ import annotations

from typing import Any

from tasks.jobs import ROLES, role_of


def test_every_job_has_a_role(dags: dict[str, Any]) -> None:
    operators = [task for dag in dags.values() for task in dag.tasks]
    stages = {
        getattr(one, "stage", None) or getattr(one, "partial_kwargs", {}).get("stage") for one in operators
    }
    assert {"plan", "sft", "train_policy"} <= stages
    assert {role_of(stage) for stage in stages - {None}} == set(ROLES)
