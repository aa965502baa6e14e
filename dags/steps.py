"""The steps of a run that are more than a job: its plan, its cells, its gates, its approval and its end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowSkipException

from dags.airflow_api import write_run_note
from dags.jobs import JobOperator, artifacts
from dags.links import DataDocsLink, MlflowLink, ReportLink
from dags.notices import CAUSE

PROMOTE, KEEP = "Promote", "Keep the champion"
PATIENCE = timedelta(days=7)
"""How long a person has to answer; then the champion stays."""


_EVIDENCE = """{{ ti.xcom_pull(task_ids='weigh')['evidence'] }}

[Report]({{ ti.xcom_pull(task_ids='report', key='report_link') }})
"""
_ANSWERS = f"""
**{PROMOTE}**: it becomes `champion`, and the present one `previous` (*PSGPO: roll back* takes that back).
**{KEEP}**: it is registered as `challenger`; so it is when nobody answers within {PATIENCE.days} days.
"""


class PlanOperator(JobOperator):
    """The first task: checks the trigger's conf and opens the parent run. Its envelope is what all others are run by."""

    def execute(self, context: Any) -> dict[str, Any]:
        plan = self._plan = self._run(context, self._arguments(context))
        if plan.get("parent_run_id"):
            self._link_run(context, plan["parent_run_id"])
        if summary := plan.get("summary"):
            _note(self, context, f"**Plan** {summary}")
        return plan

    def _arguments(self, context: Any) -> tuple[str, ...]:
        return (
            "--run-id",
            context["run_id"],
            "--store",
            os.environ["PSGPO_STORE"],
            "--conf",
            json.dumps(self._conf(context)),
        )

    def _conf(self, context: Any) -> dict[str, Any]:
        """The form, and whatever else the trigger's conf holds: unknown keys are for the plan to refuse."""
        return {**context["params"], **(context["dag_run"].conf or {})}


class CellOperator(JobOperator):
    """A job that trains one cell. It is skipped when the run's budget is spent, unless it is done already."""

    def execute(self, context: Any) -> dict[str, Any]:
        plan = context["ti"].xcom_pull(task_ids="plan")
        budget = plan["budget_seconds"]
        if budget and not self.cell["done"]:
            spent = spent_seconds(context)
            if spent >= budget:
                raise AirflowSkipException(
                    f"the budget is spent: {spent / 60:.0f} of {budget / 60:.0f} minutes"
                )
        return super().execute(context)


def spent_seconds(context: Any) -> float:
    """Seconds that the run's finished jobs have computed, added up; what was found done cost nothing."""
    envelopes = context["ti"].xcom_pull(task_ids=sorted(context["dag"].task_ids))
    stages = [one for one in envelopes if isinstance(one, dict) and "seconds" in one]
    return sum(one["seconds"] for one in stages if not one["cached"])


class ValidateOperator(JobOperator):
    """A validation stage, with a link to what it found."""

    operator_extra_links = (MlflowLink(), DataDocsLink())


class ReportOperator(JobOperator):
    """The report stage, with a link to its page."""

    operator_extra_links = (MlflowLink(), ReportLink())


class ApproveOperator(HITLOperator):
    """Asks a person whether the candidate becomes champion, with the evidence in view; an answer is what it returns.

    Nobody is asked when the run does not want it, or when the evidence is against the candidate anyway.
    """

    def __init__(self, **airflow: Any) -> None:
        super().__init__(
            subject="Promote {{ ti.xcom_pull(task_ids='weigh')['candidate'] }}?",
            body=_EVIDENCE + _ANSWERS,
            options=[PROMOTE, KEEP],
            defaults=KEEP,
            response_timeout=PATIENCE,
            **airflow,
        )

    def execute(self, context: Any) -> Any:
        weighed = context["ti"].xcom_pull(task_ids="weigh")
        if not weighed["ask"]:
            return {"approved": "not_asked"}
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        answer = super().execute_complete(context, event)
        chosen = PROMOTE in answer["chosen_options"]
        user = (answer.get("responded_by_user") or {}).get("name", "")
        self.log.info("%s by %s", "approved" if chosen else "refused", user)
        return {"approved": "yes" if chosen else "no", "by": user}


class PromoteOperator(JobOperator):
    """The promotion, with the person's answer as one of its settings."""

    def execute(self, context: Any) -> dict[str, Any]:
        answer = context["ti"].xcom_pull(task_ids="approve") or {}
        self.cell = {
            "label": "",
            "settings": {"promotion.approved": answer.get("approved", "not_asked")},
        }
        return super().execute(context)

    def _label(self) -> str:
        return self.stage


class ConcludeOperator(JobOperator):
    """The last task, whatever happened before: ends the parent run with the result and the report, and notes it."""

    operator_extra_links = (MlflowLink(), ReportLink())

    def execute(self, context: Any) -> dict[str, Any]:
        self._plan = context["ti"].xcom_pull(task_ids="plan")
        if self._plan["parent_run_id"]:
            self._link_run(context, self._plan["parent_run_id"])
        envelope = self._run(context, self._arguments(context))
        _note(self, context, envelope["note"])
        return envelope

    def _arguments(self, context: Any) -> tuple[str, ...]:
        dag_id, run_id = context["ti"].dag_id, context["run_id"]
        states = context["ti"].get_task_states(dag_id=dag_id, run_ids=[run_id])[run_id]
        failed = list(_failures(context, states))
        parent = ("--parent", self._plan["parent_run_id"], "--status", "FAILED" if failed else "FINISHED")
        told = ("--started", context["dag_run"].start_date.isoformat())
        told += ("--expected", str(self._plan.get("expected_seconds", 0)))
        if failed:
            return (*parent, *told, *(argument for one in failed for argument in ("--failed", one)))
        told += ("--verdict", _verdict(context, states))
        reports = tuple(artifacts(self.inputs["report"]))
        return (*parent, *told, *(argument for uri in reports for argument in ("--report", uri)))


def _failures(context: Any, states: dict[str, Any]) -> Iterator[str]:
    """Failed tasks by name, with what they left behind as their cause. A mapped task's state is named `task_3`."""
    tasks = context["dag"].task_ids
    for name in sorted(name for name, state in states.items() if str(state) == "failed"):
        task, index = (name, "-1") if name in tasks else name.rsplit("_", 1)
        cause = None
        with suppress(Exception):  # a note without the cause is better than none
            cause = context["ti"].xcom_pull(key=CAUSE, task_ids=task, map_indexes=int(index))
        yield f"{name}: {cause}" if cause else name


def _verdict(context: Any, states: dict[str, Any]) -> str:
    """What became of the candidate; empty for a run that promotes nothing."""
    if "promote" not in states:
        return ""
    weighed, promoted = (context["ti"].xcom_pull(task_ids=name) for name in ("weigh", "promote"))
    if not (weighed and promoted):
        return ""
    became = "champion" if promoted["metrics"]["promoted"] else "challenger"
    answer = (context["ti"].xcom_pull(task_ids="approve") or {}).get("approved", "not_asked")
    asked = {"yes": ", approved by a person", "no": ", refused by a person"}.get(answer, "")
    return f"{weighed['candidate']} is {became}{asked}: {weighed['reason']}"


def _note(operator: Any, context: Any, text: str) -> None:
    if trouble := write_run_note(context, text):
        operator.log.info("no note on the run's page: %s", trouble)
