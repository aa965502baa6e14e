"""The pipeline's shape, its form and its jobs' command lines."""

from __future__ import annotations

import importlib
from itertools import pairwise
from typing import Any

import pytest

from tasks.__main__ import STAGES
from tasks.form import form_fields
from tasks.pipeline import training_jobs

CHAIN = [
    "plan",
    "prepare_problems",
    "validate_problems",
    "prepare_model",
    "sft",
    "baseline",
    "supervision.sample_responses",
    "supervision.label_prefixes",
    "validate_labels",
    "fit_prm",
    "prm_arms.train_policy",
    "prm_arms.evaluate",
    "report",
    "weigh",
    "approve",
    "promote",
    "conclude",
]


def test_the_chain_to_the_report(train: Any) -> None:
    for before, after in pairwise(CHAIN):
        assert after in train.get_task(before).downstream_task_ids


def test_the_prm_is_checked_once_all_arms_with_a_prm_are_trained(train: Any) -> None:
    check = train.get_task("check_prm")
    assert {"prm_arms.train_policy", "fit_prm"} <= check.upstream_task_ids
    assert not check.upstream_task_ids & {"prm_arms.evaluate", "arms.train_policy"}
    assert check.downstream_task_ids == {"report"}


def test_all_scores_are_validated_beside_the_report_and_before_anything_is_promoted(train: Any) -> None:
    gate = train.get_task("validate_scores")
    assert {"evaluate_sft", "arms.evaluate", "prm_arms.evaluate"} <= gate.upstream_task_ids
    assert "report" not in gate.downstream_task_ids | gate.upstream_task_ids
    assert {"weigh", "promote"} <= gate.downstream_task_ids
    assert gate.trigger_rule == train.get_task("report").trigger_rule  # arms may be skipped


def test_labels_are_compared_with_the_version_before(train: Any) -> None:
    previous = train.get_task("validate_labels").inputs["previous"]
    assert (previous.operator.task_id, previous.key) == ("labels_before", "return_value")
    assert train.get_task("labels_before").python_callable({"previous_labels": [{"artifact": "a"}]}) == [
        {"artifact": "a"}
    ]


def test_arms_without_prm_do_not_wait_for_it(train: Any) -> None:
    upstream = {task.task_id for task in train.get_task("arms.evaluate").get_flat_relatives(upstream=True)}
    assert {"sft", "arms.train_policy", "cells_without_prm"} <= upstream
    assert not upstream & {"baseline", "fit_prm", "supervision.label_prefixes"}
    assert "report" in train.get_task("arms.evaluate").downstream_task_ids


def test_cells_that_can_wait_do_not_hold_up_the_chain(train: Any) -> None:
    priority = {task.task_id: task.priority_weight for task in train.tasks}
    waiting = {"arms.train_policy", "arms.evaluate", "evaluate_sft"}
    assert max(priority[name] for name in waiting) < min(priority[name] for name in CHAIN[:10])


def test_every_job_is_a_stage(train: Any) -> None:
    stages = {
        task.partial_kwargs["stage"] if task.is_mapped else task.stage
        for task in train.tasks
        if task.pool == "jobs"
    }
    assert stages <= {*STAGES, "plan", "weigh"}
    assert {
        "sft",
        "train_policy",
        "label_prefixes",
        "fit_prm",
        "evaluate",
        "report",
        "promote",
        "validate",
    } <= stages


def test_inputs_are_the_stages_inputs(train: Any) -> None:
    for task in train.tasks:
        if task.pool == "jobs" and task.task_id not in ("plan", "weigh"):
            given = task.partial_kwargs.get("inputs", {}) if task.is_mapped else task.inputs
            stage = task.partial_kwargs["stage"] if task.is_mapped else task.stage
            declared = importlib.import_module(f"tasks.stages.{stage}").STAGE.inputs
            assert set(given) <= {name.rstrip("?*") for name in declared}, task.task_id
            by_cell = {"policy"} if task.task_id == "champion.evaluate" else set()
            assert {name for name in declared if name.isidentifier()} <= set(given) | by_cell, task.task_id


def test_the_plan_knows_every_job_and_what_it_waits_for(train: Any) -> None:
    """`tasks/pipeline.py` lists the jobs that the DAG wires, with the same inputs from the same tasks."""
    cells = [
        {"arm": "rl", "seed": 0, "label": "rl/seed0", "needs_prm": False},
        {"arm": "psgpo", "seed": 0, "label": "psgpo/seed0", "needs_prm": True},
    ]
    jobs = training_jobs(cells, [{"label": "checkpoint 1/1"}], has_champion=True)
    task_of = {job.name: task_id(job.name) for job in jobs}
    wired = {task.task_id for task in train.tasks if task.pool == "jobs"}
    assert set(task_of.values()) == wired - {"plan", "weigh"}
    for job in jobs:
        task = train.get_task(task_of[job.name])
        assert (task.partial_kwargs["stage"] if task.is_mapped else task.stage) == job.stage
        above = {one.task_id for one in task.get_flat_relatives(upstream=True)}
        assert {task_of[name] for names in job.inputs.values() for name in names} <= above, job.name


def task_id(job: str) -> str:
    """`train_policy psgpo/seed0` is an instance of `prm_arms.train_policy`."""
    name, _, cell = job.partition(" ")
    groups = {
        "checkpoint": "supervision.",
        "rl/seed0": "arms.",
        "psgpo/seed0": "prm_arms.",
        "champion": "champion.",
    }
    return groups.get(cell.split(" ")[0], "") + name


def test_the_form_is_the_forms_fields_and_its_defaults_are_valid(train: Any) -> None:
    params = train.params
    assert list(params) == ["profile", *(field.name for field in form_fields()), "overrides"]
    params.validate()
    for name in params:
        param = params.get_param(name)
        assert param.schema["section"]
        assert param.schema["title"]
        assert param.description or param.schema["description_md"]


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("ppo_learning_rate", 0),
        ("ppo_steps", 1.5),
        ("labels_completer", "nobody"),
        ("arms_arms", ["best"]),
        ("profile", "huge"),
        ("data_steps_max", 9),
    ],
)
def test_the_form_refuses(name: str, bad: object, train: Any) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError):
        train.params.get_param(name).resolve(bad)


@pytest.mark.parametrize(
    ("name", "good"),
    [("ppo_learning_rate", 1e-4), ("labels_completer", "sft"), ("arms_arms", ["rl", "psgpo"])],
)
def test_the_form_takes(name: str, good: object, train: Any) -> None:
    assert train.params.get_param(name).resolve(good) == good
