"""
### Evaluate models on benchmarks

Every model given, and the champion, on every benchmark chosen, under the same protocol; one page compares them, problem
by problem and with intervals.

```
plan -> bring models into the store --+
  +---> prepare benchmarks -----------+-> evaluate every pair -+-> compare -+-> conclude
                                                               +-> validate +
```

**In**: the trigger form. A model is a folder, a hub id (`NAME/MODEL`, or with `@REVISION`), the address of an artifact, or a
registered model (`champion`, `psgpo-policy@challenger`); one per line. Benchmarks come from the hub at pinned revisions, or
from a folder with their files. **Out**: in the store, one score per pair and the page; in MLflow, a parent run with a child
per pair.

**Cost**: one pass of sampling per pair; a tiny model takes minutes on a CPU, anything larger wants a GPU. A pair that was
evaluated before with the same settings is not evaluated again.

**If it fails**

* The first task refuses models and benchmark files that are not there, and names them.
* `prepare_benchmark` failed: the hub cannot be reached. Give a folder with the files under "Where from".
* `validate_scores` names problems that a model was trained on: its score on them says nothing.
* `evaluate` says "misjudged, no score is published": the benchmark's own references failed; see docs/sandbox.md.
* A task was killed: clear it. It goes on after the last whole shard of samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import TriggerRule, dag, task, task_group

from dags.defaults import LARGE, LONG, SHORT, SMALL, dag_defaults
from dags.jobs import JobOperator
from dags.params import evaluate_params
from dags.steps import ConcludeOperator, PlanOperator, ReportOperator, ValidateOperator, as_last


@dag(
    dag_display_name="PSGPO: evaluate",
    doc_md=__doc__,
    schedule=None,
    params=evaluate_params(),
    tags=["psgpo", "evaluation"],
    **dag_defaults(deadline=timedelta(days=1)),
)
def psgpo_evaluate() -> None:
    small = {"timeout": SHORT, "memory_mb": SMALL}
    planned = PlanOperator(task_id="plan", stage="plan-evaluation", **small)
    plan = planned.output

    def cell_job(stage: str, cell: Any, gpus: int = 0) -> Any:
        """A job of a mapped group; the grid shows the cell's name."""
        limits = {"timeout": LONG, "memory_mb": LARGE, "gpus": gpus}
        return JobOperator(
            task_id=stage, stage=stage, cell=cell, map_index_template="{{ task.cell.label }}", **limits
        ).output

    @task_group
    def models(cell: Any) -> Any:
        return cell_job("prepare_model", cell)

    @task_group
    def benchmarks(cell: Any) -> Any:
        return cell_job("prepare_benchmark", cell)

    @task_group
    def scores(cell: Any) -> Any:
        return cell_job("evaluate", cell, gpus=1)

    wanted = planned_lists(plan)
    brought = models.expand(cell=models_to_bring(wanted))
    prepared = benchmarks.expand(cell=all_benchmarks(wanted))
    score = scores.expand(cell=pairs(wanted, brought, prepared))
    report = ReportOperator(task_id="compare", stage="compare", inputs={"scores": score}, **small).output
    conclude = ConcludeOperator(task_id="conclude", stage="conclude", inputs={"report": report}, **small)
    # beside the page: what it finds wrong with a score is read there, too
    gate = ValidateOperator(task_id="validate_scores", stage="validate", inputs={"subject": score}, **small)
    gate >> as_last(conclude, planned)


@task
def planned_lists(plan: dict[str, Any]) -> dict[str, Any]:
    """Models and benchmarks: what follows the plan directly may not go on where something was skipped, `pairs` must."""
    return {name: plan[name] for name in ("models", "benchmarks")}


@task
def models_to_bring(wanted: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that are no artifacts yet."""
    return [model for model in wanted["models"] if "artifact" not in model]


@task
def all_benchmarks(wanted: dict[str, Any]) -> list[dict[str, Any]]:
    return wanted["benchmarks"]


def listed(mapped: Any) -> list[Any]:
    """Results of mapped tasks: nothing when all were skipped, a bare result when there was one task."""
    return [mapped] if isinstance(mapped, Mapping) else list(mapped or [])


@task(trigger_rule=TriggerRule.NONE_FAILED)
def pairs(wanted: dict[str, Any], brought: Any, prepared: Any) -> list[dict[str, Any]]:
    """Every model with every benchmark, as cells that bring their own inputs."""
    new = iter(listed(brought))
    cells = []
    for model in wanted["models"]:
        policy = model if "artifact" in model else next(new)
        training = {"training": {"artifact": model["training"]}} if model.get("training") else {}
        cells += [
            {
                "label": f"{benchmark['label']}/{model['label']}",
                "settings": {"cell.model": model["label"]},
                "inputs": {"problems": problems, "policy": {"artifact": policy["artifact"]}, **training},
            }
            for benchmark, problems in zip(wanted["benchmarks"], listed(prepared), strict=True)
        ]
    return cells


psgpo_evaluate()
