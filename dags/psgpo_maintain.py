"""
### Clear away what is left over

Looks for what nobody needs any more and says in the run's note what that is. Nothing is removed unless the form (or, for
runs on schedule, the variable `psgpo_maintain`) says so.

```
plan -+-> containers (and GPU leases) -+-> conclude
      +-> artifacts (and checkpoints) -+
```

**In**: the store, the model registry, the container engine where jobs are containers, and which runs are active (by the
connection `psgpo_airflow`). **Out**: the run's note. Never removed: whatever a registered model was made from or judged by,
what an active run uses, what is younger than the days given, and all that these were made from.

**Cost**: every artifact is looked at; `python -m bench maintain` says how long. It comes paused; switched on, it looks
every night at 02:00 UTC. `{"remove": true, "older_than_days": 60}` in the variable makes these runs clear away, too.

**If it fails**

* A damaged manifest is named: what its artifact was made from is not known, so nothing is removed.
  `python -m tasks verify ADDRESS` says more.
* `psgpo_airflow` is missing: without it the active runs are not known.
* The registry does not answer: without it the registered models are not known. Clear the task when it is back.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Param, dag, get_current_context, task

from dags.airflow_api import write_run_note
from dags.defaults import SHORT, SMALL, dag_defaults
from dags.maintenance import ContainersOperator, MaintainPlanOperator, StoreOperator
from dags.steps import as_last, fail_with_the_run

NIGHTLY = CronTriggerTimetable("0 2 * * *", timezone="UTC")


@dag(
    dag_display_name="PSGPO: maintain",
    doc_md=__doc__,
    schedule=NIGHTLY,
    is_paused_upon_creation=True,
    params={
        "older_than_days": Param(
            30, type="integer", minimum=1, title="Older than, days", description="What is younger stays."
        ),
        "remove": Param(
            False, type="boolean", title="Remove", description="Off: only say what would be removed."
        ),
    },
    tags=["psgpo", "maintenance"],
    **dag_defaults(deadline=timedelta(hours=6), execution_timeout=SHORT),
)
def psgpo_maintain() -> None:
    plan = MaintainPlanOperator(task_id="plan")
    containers = ContainersOperator(task_id="containers")
    limits = {"timeout": timedelta(hours=2), "memory_mb": SMALL}
    artifacts = StoreOperator(task_id="artifacts", stage="maintain", **limits)
    plan >> [containers, artifacts] >> as_last(conclude(), plan)


@task
def conclude() -> str:
    """What was found, as this run's note; whatever did not come to its end is said, too."""
    context = get_current_context()
    containers, artifacts = (context["ti"].xcom_pull(task_ids=name) for name in ("containers", "artifacts"))
    failed = "failed, see its log"
    note = f"**Containers** {containers or failed}\n\n**Store** {(artifacts or {}).get('note', failed)}"
    if trouble := write_run_note(context, note):
        print(f"no note on the run's page: {trouble}")
    fail_with_the_run(context)
    return note


psgpo_maintain()
