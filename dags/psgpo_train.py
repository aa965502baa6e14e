"""
### Train with process supervision (PSGPO)

One run is the whole method: it fine-tunes a model, trains it with plain RL, learns from that run's checkpoints which
lines of a program lead astray, and trains again with this knowledge; every arm from the same start, over several seeds.

```
plan -> prepare problems -> validate -> prepare model -> SFT -+
  +-----------------------------------------------------------+
  +-> evaluate SFT ----------------------------------------------+
  +-> arms without PRM: train -> evaluate -----------------------+-> report -> promote -> conclude
  +-> baseline -> each checkpoint: sample -> label -+            |
  +-------------------------------------------------+            |
  +-> validate -> fit PRM -> arms with PRM: train -> evaluate ---+
                                              +----> check PRM --+
```

Beside the report all scores are validated; nothing is promoted that does not pass.

**In**: the trigger form. Every field left empty keeps the profile's value. **Out**: in the store, problems, models,
labels, PRM, one policy and one score per arm and seed, and the report; in MLflow, a parent run with one child per task
and cell.

**Cost**: profile `smoke` takes minutes, `demo` about ten minutes on two cores without GPU. What was computed before with
the same settings is not computed again.

**If it fails**

* The first task refuses wrong settings and names them; trigger again with the right ones.
* `prepare_problems` or a `validate_...` task failed: the log names the rows. Mend the file, trigger again.
* A task was killed, ran out of memory or lost its machine: clear it. It goes on from its last checkpoint.
* `no_verdict` in a log: the sandbox, not the model, is ill; see docs/sandbox.md.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import TriggerRule, dag, task, task_group
from airflow.sdk.exceptions import AirflowSkipException

from dags.defaults import LARGE, LONG, SHORT, SMALL, dag_defaults
from dags.jobs import JobOperator
from dags.params import train_params
from dags.steps import (
    ApproveOperator,
    CellOperator,
    ConcludeOperator,
    PlanOperator,
    PromoteOperator,
    ReportOperator,
    ValidateOperator,
    as_last,
)

# The chain to the PRM is the longest; cells that can wait must not take its place.
CHAIN, CELL = 10, 1


@dag(
    dag_display_name="PSGPO: train",
    doc_md=__doc__,
    schedule=None,
    params=train_params(),
    tags=["psgpo", "training"],
    **dag_defaults(deadline=timedelta(days=2), priority_weight=CHAIN, weight_rule="absolute"),
)
def psgpo_train() -> None:
    small = {"timeout": SHORT, "memory_mb": SMALL}
    planned = PlanOperator(task_id="plan", stage="plan", **small)
    plan = planned.output

    def job(task_id: str, stage: str = "", **more: Any) -> Any:
        limits = {"timeout": LONG, "memory_mb": LARGE, **more}
        return JobOperator(task_id=task_id, stage=stage or task_id, **limits)

    def gate(task_id: str, subject: Any, **more: Any) -> Any:
        inputs = {"subject": subject, **more.pop("beside", {})}
        return ValidateOperator(task_id=task_id, stage="validate", inputs=inputs, **small, **more)

    def cell_job(task_id: str, cell: Any, **more: Any) -> Any:
        """A job of a mapped group; the grid shows the cell's name."""
        return job(task_id, cell=cell, map_index_template="{{ task.cell.label }}", gpus=1, **more)

    def train_cell(cell: Any, inputs: Any) -> Any:
        """One arm with one seed; not started once the budget is spent."""
        limits = {"timeout": LONG, "memory_mb": LARGE, "gpus": 1, "priority_weight": CELL}
        return CellOperator(
            task_id="train_policy",
            stage="train_policy",
            cell=cell,
            inputs=inputs,
            map_index_template="{{ task.cell.label }}",
            **limits,
        ).output

    problems = job("prepare_problems", **small).output
    model = job("prepare_model", timeout=SHORT, inputs={"problems": problems})
    problems_gate = gate("validate_problems", problems)
    planned >> problems.operator >> problems_gate >> model
    sft = job("sft", gpus=1, inputs={"problems": problems, "model": model.output}).output
    start = {"problems": problems, "sft": sft}

    # Arms without a PRM run beside the long chain that makes one.
    @task_group
    def arms(cell: Any) -> Any:
        policy = train_cell(cell, start)
        about = {"problems": problems, "policy": policy}
        return policy, cell_job("evaluate", cell, inputs=about, priority_weight=CELL).output

    policies, scores = arms.expand(cell=cells_without_prm(plan))
    sft_score = job(
        "evaluate_sft",
        "evaluate",
        cell={"arm": "sft", "label": "sft"},
        gpus=1,
        inputs={"problems": problems, "policy": sft},
        priority_weight=CELL,
    )

    listed = checkpoints(plan)
    baseline_cell = {"arm": "baseline", "label": "baseline"}
    baseline = job("baseline", "train_policy", cell=baseline_cell, gpus=1, inputs=start)
    listed >> baseline

    @task_group
    def supervision(cell: Any) -> Any:
        from_checkpoint = {"problems": problems, "policy": baseline.output, "sft": sft}
        responses = cell_job("sample_responses", cell, inputs=from_checkpoint).output
        about = {**from_checkpoint, "responses": responses}
        return responses, cell_job("label_prefixes", cell, inputs=about).output

    responses, labels = supervision.expand(cell=listed)
    evidence = {"problems": problems, "labels": labels, "sft": sft, "policy": baseline.output}
    prm = job("fit_prm", gpus=1, inputs=evidence).output
    labels_gate = gate("validate_labels", labels, beside={"previous": labels_before(plan)})
    labels_gate >> prm.operator

    @task_group
    def prm_arms(cell: Any) -> Any:
        policy = train_cell(cell, {**start, "prm": prm})
        about = {"problems": problems, "policy": policy}
        return policy, cell_job("evaluate", cell, inputs=about, priority_weight=CELL).output

    prm_policies, prm_scores = prm_arms.expand(cell=cells_with_prm(plan))
    trained = {"problems": problems, "policies": prm_policies, "prm": prm}
    check = job("check_prm", gpus=1, inputs=trained).output

    # A run without PRM arms skips the PRM and all that leads to it, and is reported all the same.
    results = {
        "scores": [sft_score.output, scores, prm_scores],
        "policies": [baseline.output, policies, prm_policies],
        "prm": prm,
    }
    everything = {**results, "responses": responses, "labels": labels, "sft": sft, "prm_check": check}
    last = {**small, "trigger_rule": TriggerRule.NONE_FAILED}
    # beside the report: whoever is stopped by it can read that page, too
    scores_gate = gate("validate_scores", results["scores"], trigger_rule=TriggerRule.NONE_FAILED)
    report = ReportOperator(task_id="report", stage="report", inputs=everything, **last).output

    @task_group
    def champion(cell: Any) -> Any:
        return cell_job("evaluate", cell, inputs={"problems": problems}, priority_weight=CELL).output

    judged = champion.expand(cell=present_champion(plan))
    problems_gate >> judged
    evidence = {
        **results,
        "report": report,
        "validations": [problems_gate.output, labels_gate.output, scores_gate.output],
        "champion": judged,
    }
    weighed = job("weigh", inputs=evidence, **last)
    approved = ApproveOperator(task_id="approve", trigger_rule=TriggerRule.NONE_FAILED)
    promote = PromoteOperator(task_id="promote", stage="promote", inputs=evidence, **last)
    weighed >> approved >> promote
    conclude = ConcludeOperator(task_id="conclude", stage="conclude", inputs={"report": report}, **small)
    promote >> as_last(conclude, planned)


@task
def cells_without_prm(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in plan["cells"] if not cell["needs_prm"]]


@task
def cells_with_prm(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in plan["cells"] if cell["needs_prm"]]


@task
def present_champion(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """The champion as a cell, to be evaluated on this run's problems; none where there is none yet."""
    if not plan["champion"]:
        return []
    policy = {"artifact": plan["champion"]}
    return [{"label": "champion", "settings": {"cell.model": "champion"}, "inputs": {"policy": policy}}]


@task
def labels_before(plan: dict[str, Any]) -> list[dict[str, str]]:
    """Of the champion's PRM; an item of a task's result is only to be had by a task."""
    return plan["previous_labels"]


@task
def checkpoints(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Skipped, and the whole way to the PRM with it, when no arm needs a PRM."""
    if not plan["checkpoints"]:
        raise AirflowSkipException("no arm needs a PRM")
    return plan["checkpoints"]


psgpo_train()
