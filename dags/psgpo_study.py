"""
### Run the study (docs/study.md) in slices

Every cell of the study, a setting's arm with a seed, through the same stages and the same store as a training run.

```
plan -> foundations (one per setting: problems, SFT, baseline, labels, PRM) -> cells (train, evaluate) -> conclude
```

**In**: the study, its phase, and what of it: settings and arms (empty: all), seeds at most, minutes of jobs. What is in
the store already is not computed again, so triggering the same again goes on where the last run stopped.
**Out**: scores in the store; in MLflow a run per stage. `make study-report` builds the page from the store alone.

**Cost**: about two minutes of one core per cell of the list study. When the minutes are spent no new cell starts.

**If it fails**

* `plan` refuses an unknown setting, and confirmation problems before the protocol is frozen.
* A foundation or a cell failed: its log names the stage. Clear it, or trigger again: what is done is done.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from airflow.sdk import Param, TriggerRule, dag, task, task_group

from dags.defaults import LARGE, LONG, SHORT, SMALL, dag_defaults
from dags.steps import CellOperator, ConcludeOperator, PlanOperator, as_last

ALL_OR_SOME: dict[str, Any] = {"type": "array", "items": {"type": "string"}, "section": "Slice"}
PARAMS = {
    "study": Param(
        "lists", type="string", title="Study", section="What", description="A file of tasks/study/studies."
    ),
    "phase": Param("development", enum=["development", "confirmation"], title="Phase", section="What"),
    "settings": Param([], title="Settings", description="Empty: all.", **ALL_OR_SOME),
    "arms": Param([], title="Arms", description="Empty: all of these settings.", **ALL_OR_SOME),
    "n_seeds": Param(
        0, type="integer", minimum=0, title="Seeds at most", section="Slice", description="0: all."
    ),
    "job_minutes": Param(
        0, type="number", minimum=0, title="Minutes of jobs", section="Slice", description="0: no limit."
    ),
}


class StudyPlanOperator(PlanOperator):
    """The plan; its envelope says which foundations and cells there are."""

    def _arguments(self, context: Any) -> tuple[str, ...]:
        return ("plan", *super()._arguments(context))


class StudyOperator(CellOperator):
    """A foundation or a cell; not started once the minutes are spent, unless it is done already."""

    def _arguments(self, context: Any) -> tuple[str, ...]:
        cell = self.cell
        place = ("--arm", cell["arm"], "--seed", str(cell["seed"])) if "arm" in cell else ()
        what = "cell" if "arm" in cell else "foundation"
        about = ("--study", self._plan["study"], "--phase", self._plan["phase"], "--setting", cell["setting"])
        return (what, *about, *place, "--store", os.environ["PSGPO_STORE"])


@dag(
    dag_display_name="PSGPO: study",
    doc_md=__doc__,
    schedule=None,
    params=PARAMS,
    tags=["psgpo", "study"],
    # while one run makes foundations, one after the other, cells of a second one fill the other slots
    **dag_defaults(deadline=timedelta(days=2)) | {"max_active_runs": 2},
)
def psgpo_study() -> None:
    planned = StudyPlanOperator(task_id="plan", stage="study", timeout=SHORT, memory_mb=SMALL)
    plan = planned.output

    def job(task_id: str, place: Any, **more: Any) -> Any:
        limits = {"timeout": LONG, "memory_mb": LARGE, "gpus": 1, **more}
        return StudyOperator(
            task_id=task_id, stage="study", cell=place, map_index_template="{{ task.cell.label }}", **limits
        )

    @task_group
    def foundations(place: Any) -> None:
        # one after the other: settings share most of their foundations, which the first of them makes for all
        job("foundation", place, max_active_tis_per_dagrun=1)

    @task_group
    def cells(place: Any) -> None:
        job("cell", place, trigger_rule=TriggerRule.ALL_DONE)

    finished = cells.expand(place=all_cells(plan))
    foundations.expand(place=all_foundations(plan)) >> finished
    conclude = ConcludeOperator(
        task_id="conclude", stage="conclude", inputs={"report": []}, timeout=SHORT, memory_mb=SMALL
    )
    finished >> as_last(conclude, planned)


@task
def all_foundations(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return plan["foundations"]


@task
def all_cells(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return plan["cells"]


psgpo_study()
