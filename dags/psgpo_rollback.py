"""
### Go back to an earlier champion

Makes the previous champion champion again, policy and PRM together; the present one becomes `previous`, so that triggering
this once more takes it back. Nothing is trained, nothing is removed.

```
look (who would it be?) -> back (moves the aliases)
```

**In**: one field. Empty, it is the alias `previous`; with a number, that version of `psgpo-policy` (MLflow, *Models*).
**Out**: the aliases `champion` and `previous`; the run's note says who is champion now.

**Cost**: seconds.

**If it fails**

* `look` refuses a version that does not exist, and says when there is no previous champion.
* `back` failed: clear it. It goes to the champion that `look` found, however often it is tried.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag
from airflow.sdk.exceptions import AirflowFailException

from dags.airflow_api import write_run_note
from dags.defaults import SHORT, SMALL, dag_defaults
from dags.jobs import JobOperator

VERSION = "version"
LOOK = "look"


class RollbackOperator(JobOperator):
    """The job `rollback`: `look` finds the champion to go back to, the other task goes to exactly that one, so that a second
    try of it does not go back once more."""

    operator_extra_links = ()

    def execute(self, context: Any) -> dict[str, Any]:
        found = self._run(context, self._arguments(context))
        if trouble := write_run_note(context, found["note"]):
            self.log.info("no note on the run's page: %s", trouble)
        return found

    def _arguments(self, context: Any) -> tuple[str, ...]:
        if self.task_id != LOOK:
            return ("--to", context["ti"].xcom_pull(task_ids=LOOK)["version"])
        if unknown := sorted(set(context["dag_run"].conf or {}) - {VERSION}):
            raise AirflowFailException(f"parameter {unknown[0]!r}: is unknown; allowed: {VERSION}")
        asked = context["params"][VERSION]
        return (f"--{LOOK}", *(("--to", str(asked)) if asked else ()))


@dag(
    dag_display_name="PSGPO: roll back",
    doc_md=__doc__,
    schedule=None,
    params={
        VERSION: Param(
            None,
            type=["null", "integer"],
            minimum=1,
            title="Back to version",
            description="A version of psgpo-policy (MLflow, Models). Empty: the champion before the present one.",
        ),
    },
    tags=["psgpo", "promotion"],
    **dag_defaults(deadline=timedelta(hours=1)),
)
def psgpo_rollback() -> None:
    limits = {"stage": "rollback", "timeout": SHORT, "memory_mb": SMALL}
    RollbackOperator(task_id=LOOK, **limits) >> RollbackOperator(task_id="back", **limits)


psgpo_rollback()
