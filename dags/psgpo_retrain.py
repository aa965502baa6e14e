"""
### Retrain when there are new problems

Every Monday at 03:00 UTC, and whenever somebody says that there are new problems, this looks whether that is so. If
it is, it starts `psgpo_train` with the champion's settings; that run evaluates the new policies against the champion,
and promotes (or asks) as ever. If it is not, the run ends at once and its note says why.

```
plan -> something_new -> train (starts psgpo_train) -> trained (waits for it) -> conclude
```

**In**: the problems file the champion was trained on, or the one under "Problems". An event of the asset
`psgpo_problems` (its page has a button; pipelines post to `/api/v2/assets/events`) is only a wake-up: what is new is
found by looking at the file and at the registry. Runs on schedule take their form from the variable `psgpo_retrain`
(JSON, such as `{"data_source": "/data/problems.jsonl", "promotion_approval": "true"}`). **Out**: a run of
`psgpo_train`, linked from the task `train`; its result in this run's note.

**Cost**: seconds where nothing is new; else a training run of the champion's arm.

The DAG comes paused: switching it on is setting up weekly retraining. Airflow may start one run at once then.

**If it fails**

* `plan` refuses settings and files that are not there, and names them.
* `trained` failed: the run of `psgpo_train` did. Mend that run; the next retraining tries again what was never registered.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import (
    Asset,
    AssetOrTimeSchedule,
    CronTriggerTimetable,
    TriggerRule,
    Variable,
    dag,
    get_current_context,
    task,
)
from airflow.sdk.exceptions import AirflowFailException

from dags.airflow_api import write_run_note
from dags.defaults import SHORT, SMALL, dag_defaults
from dags.params import retrain_params
from dags.start_run import StartRunOperator
from dags.steps import PlanOperator
from tasks.form import EMPTY

PROBLEMS = Asset(name="psgpo_problems", group="psgpo")
"""Whoever has changed the problems emits an event of it. No DAG of this project does."""

TRAINING = "psgpo_train"
VARIABLE = "psgpo_retrain"
TRAINING_RUN = "retrain_{{ run_id }}"
WEEKLY = CronTriggerTimetable("0 3 * * 1", timezone="UTC")
PATIENCE = timedelta(days=14)
"""How long a training may take, a person's week to approve it included."""


class RetrainPlanOperator(PlanOperator):
    """The plan of a retraining: the form, and for what it leaves empty the variable `psgpo_retrain`."""

    def _conf(self, context: Any) -> dict[str, Any]:
        standing = Variable.get(VARIABLE, default={}, deserialize_json=True)
        if not isinstance(standing, Mapping):
            raise AirflowFailException(f"variable {VARIABLE}: is not a JSON object of form fields")
        filled = {name: value for name, value in super()._conf(context).items() if value not in EMPTY}
        return {**standing, **filled}


@dag(
    dag_display_name="PSGPO: retrain",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(timetable=WEEKLY, assets=[PROBLEMS]),
    is_paused_upon_creation=True,
    params=retrain_params(),
    tags=["psgpo", "training"],
    **dag_defaults(deadline=timedelta(days=3)),
)
def psgpo_retrain() -> None:
    limits = {"timeout": SHORT, "memory_mb": SMALL}
    # every item of the result by itself, too: `plan["conf"]` asks for the item of that name
    plan = RetrainPlanOperator(task_id="plan", stage="plan-retrain", multiple_outputs=True, **limits).output
    train = StartRunOperator(
        task_id="train", trigger_dag_id=TRAINING, started_run_id=TRAINING_RUN, conf=plan["conf"]
    )
    something_new(plan) >> train >> trained(TRAINING_RUN) >> conclude(plan, TRAINING_RUN)


@task.short_circuit
def something_new(plan: dict[str, Any]) -> bool:
    """Whether there is anything to train on; if not, all that follows is skipped."""
    return bool(plan["new"])


@task.sensor(
    mode="reschedule",
    poke_interval=20,
    timeout=PATIENCE.total_seconds(),
    trigger_rule=TriggerRule.NONE_FAILED,
)
def trained(started: str) -> bool:
    """Waits for the training run without holding a slot meanwhile. (`run_id` is a name that Airflow refuses here.)"""
    state = get_current_context()["ti"].get_dagrun_state(TRAINING, started)
    if state == "failed":
        raise AirflowFailException(f"the run {started} of {TRAINING} failed: see that run")
    return bool(state == "success")


@task
def conclude(plan: dict[str, Any], started: str) -> str:
    """The plan and the training's result as this run's note."""
    context = get_current_context()
    result = context["ti"].xcom_pull(dag_id=TRAINING, run_id=started, task_ids="conclude") or {}
    note = "\n\n".join([f"**Plan** {plan['summary']}", result.get("note", "")])
    if trouble := write_run_note(context, note):
        print(f"no note on the run's page: {trouble}")
    return note


psgpo_retrain()
