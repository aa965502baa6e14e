"""The evaluation's shape, its form, and how models meet benchmarks."""

from __future__ import annotations

import importlib
from itertools import pairwise
from typing import Any

import pytest

from tasks.form import EVALUATION, form_fields


@pytest.fixture
def evaluate(dags: dict[str, Any]) -> Any:
    return dags["psgpo_evaluate"]


def test_the_chain_to_the_page(evaluate: Any) -> None:
    for before, after in pairwise(
        ["plan", "models.prepare_model", "pairs", "scores.evaluate", "compare", "conclude"]
    ):
        reached = {task.task_id for task in evaluate.get_task(before).get_flat_relatives(upstream=False)}
        assert after in reached
    assert "benchmarks.prepare_benchmark" in evaluate.get_task("pairs").upstream_task_ids


def test_every_score_is_validated_beside_the_page(evaluate: Any) -> None:
    gate = evaluate.get_task("validate_scores")
    assert gate.upstream_task_ids == evaluate.get_task("compare").upstream_task_ids == {"scores.evaluate"}
    assert gate.downstream_task_ids == {"conclude"}


def test_every_job_is_a_stage_with_that_stages_inputs(evaluate: Any) -> None:
    for name, given in (("compare", {"scores"}), ("evaluate", {"problems", "policy", "training"})):
        declared = importlib.import_module(f"tasks.stages.{name}").STAGE.inputs
        assert {one.rstrip("?*") for one in declared} == given
        assert any(task_id.endswith(name) for task_id in evaluate.task_ids)


def test_every_model_meets_every_benchmark(evaluate: Any) -> None:
    plan = {
        "models": [
            {"label": "own", "artifact": "s/policy/a", "training": "s/problems/t"},
            {"label": "new", "settings": {"model.source": "folder"}},
        ],
        "benchmarks": [{"label": "humaneval"}, {"label": "mbpp"}],
    }
    prepared = [{"artifact": "s/problems/h"}, {"artifact": "s/problems/m"}]
    pairs = evaluate.get_task("pairs").python_callable
    cells = pairs(plan, [{"artifact": "s/model/n"}], prepared)
    assert [cell["label"] for cell in cells] == ["humaneval/own", "mbpp/own", "humaneval/new", "mbpp/new"]
    assert cells[1]["inputs"] == {
        "problems": {"artifact": "s/problems/m"},
        "policy": {"artifact": "s/policy/a"},
        "training": {"artifact": "s/problems/t"},
    }
    assert cells[2]["inputs"]["policy"] == {"artifact": "s/model/n"}
    assert "training" not in cells[2]["inputs"]
    assert cells[2]["settings"] == {"cell.model": "new"}
    assert len(pairs({**plan, "models": plan["models"][:1]}, None, prepared)) == 2  # nothing to be brought
    assert pairs(plan, {"artifact": "s/model/n"}, prepared) == cells  # one mapped task gives its bare result


def test_the_form_is_generated_and_its_defaults_are_valid(evaluate: Any) -> None:
    params = evaluate.params
    assert list(params) == [*(field.name for field in form_fields(EVALUATION)), "overrides"]
    params.validate()
    assert "examples" not in params.get_param("compare_models").schema
    assert params.get_param("compare_benchmarks").schema["examples"] == [
        "humaneval",
        "mbpp",
        "livecodebench",
        "stepcode",
    ]


@pytest.mark.parametrize(
    ("name", "bad", "good"),
    [
        ("compare_models", "one", ["one", "two"]),
        ("compare_benchmarks", ["apps"], ["mbpp", "stepcode"]),
        ("evaluation_temperature", -1, 0),
        ("compare_with_champion", "maybe", "false"),
    ],
)
def test_the_form_takes_and_refuses(name: str, bad: object, good: object, evaluate: Any) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    assert evaluate.params.get_param(name).resolve(good) == good
    with pytest.raises(ParamValidationError):
        evaluate.params.get_param(name).resolve(bad)
