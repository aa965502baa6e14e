"""The steps of a run that are more than a job: its plan, its cells, its gates, its approval and its end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from dags.airflow_api import write_run_note
from dags.jobs import JobOperator, artifacts
from dags.links import DataDocsLink, MlflowLink, ReportLink
from dags.notices import CAUSE, Failed, blame

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
    """The last task, whatever happened before: ends the parent run with the result and the report, and notes it.

    It fails where another task has failed, after its work is done: `as_last` makes it the task that Airflow judges the run
    by. By the others a run that a person marks failed would end as a success, as Airflow skips what has not begun and
    counts what is skipped as well. It waits for no other run's jobs, so that a run is over when it has ended.
    """

    operator_extra_links = (MlflowLink(), ReportLink())

    def __init__(self, **job: Any) -> None:
        super().__init__(pool="default_pool", **job)

    def execute(self, context: Any) -> dict[str, Any]:
        self._plan = context["ti"].xcom_pull(task_ids="plan")
        if self._plan["parent_run_id"]:
            self._link_run(context, self._plan["parent_run_id"])
        envelope = self._run(context, self._arguments(context))
        _note(self, context, envelope["note"])
        fail_with_the_run(context)
        return envelope

    def _arguments(self, context: Any) -> tuple[str, ...]:
        states = _states(context)
        failed = [str(one) for one in failures(context, states)]
        parent = ("--parent", self._plan["parent_run_id"], "--status", "FAILED" if failed else "FINISHED")
        told = ("--started", context["dag_run"].start_date.isoformat())
        told += ("--expected", str(self._plan.get("expected_seconds", 0)))
        if failed:
            return (*parent, *told, *(argument for one in failed for argument in ("--failed", one)))
        told += ("--verdict", _verdict(context, states))
        reports = tuple(artifacts(self.inputs["report"]))
        return (*parent, *told, *(argument for uri in reports for argument in ("--report", uri)))


def as_last(task: Any, first: Any) -> Any:
    """`task` runs always once `first` has succeeded, and the run is judged by it: it is to call `fail_with_the_run`."""
    return task.as_teardown(setups=first, on_failure_fail_dagrun=True)


def fail_with_the_run(context: Any) -> None:
    """Raise AirflowFailException where a task of this run has failed; the notice about the run names that task."""
    failed = list(failures(context, _states(context)))
    if failed:
        blame(context["ti"], failed[0])
        more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        raise AirflowFailException(f"this run failed: {failed[0]}{more}")


def failures(context: Any, states: Mapping[str, Any]) -> Iterator[Failed]:
    """Failed tasks with what they left behind as their cause; where there are none, those that a person's stop left out.

    The task of `context` is to come after all others. What comes right before it has succeeded in a run that went to its
    end, but for cells that a spent budget skipped.
    """
    failed = [_instance(context, name) for name, state in sorted(states.items()) if str(state) == "failed"]
    for task, index in failed:
        cause = None
        with suppress(Exception):  # a note without the cause is better than none
            cause = context["ti"].xcom_pull(key=CAUSE, task_ids=task, map_indexes=index)
        yield Failed(task, index, cause or "")
    if failed:
        return
    has_budget = bool(context["ti"].xcom_pull(task_ids="plan").get("budget_seconds"))
    for name, state in sorted(states.items()):
        task, index = _instance(context, name)
        may_be_skipped = has_budget and index >= 0
        if task in context["task"].upstream_task_ids and str(state) != "success" and not may_be_skipped:
            yield Failed(task, index, "was not run: somebody marked the run failed")


def _instance(context: Any, name: str) -> tuple[str, int]:
    """Task and map index of a state's name: a mapped task's is `task_3`."""
    if name in context["dag"].task_ids:
        return name, -1
    task, index = name.rsplit("_", 1)
    return task, int(index)


def _states(context: Any) -> dict[str, Any]:
    dag_id, run_id = context["ti"].dag_id, context["run_id"]
    states: dict[str, Any] = context["ti"].get_task_states(dag_id=dag_id, run_ids=[run_id])[run_id]
    return states


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
