"""The operators of `psgpo_maintain`. Which runs are active, and what they use, only Airflow knows."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airflow.sdk import BaseOperator, Variable
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowNotFoundException

from dags.airflow_api import CONNECTION, Airflow, connected
from dags.container_job import chosen_runner
from dags.jobs import JobOperator
from tasks.errors import BadInput
from tasks.job_profile import DockerSettings, job_name

VARIABLE = "psgpo_maintain"
FIELDS = ("older_than_days", "remove")


class MaintainPlanOperator(BaseOperator):
    """What this run may do: the form of a run by hand; for one on schedule the variable over the form's defaults."""

    def execute(self, context: Any) -> dict[str, Any]:
        run = context["dag_run"]
        on_schedule = run.run_type == "scheduled"
        standing = Variable.get(VARIABLE, default={}, deserialize_json=True) if on_schedule else {}
        for where, given in ((f"variable {VARIABLE}", standing), ("parameter", run.conf or {})):
            if not isinstance(given, Mapping) or not set(given) <= set(FIELDS):
                raise AirflowFailException(f"{where}: is {given!r:.200}; allowed are {', '.join(FIELDS)}")
        asked = {**context["params"], **standing}
        days, remove = asked["older_than_days"], asked["remove"]
        if not isinstance(days, int) or not isinstance(remove, bool):
            raise AirflowFailException(f"{FIELDS[0]} is a whole number, {FIELDS[1]} true or false: {asked}")
        return {"older_than_days": days, "remove": remove}


class ContainersOperator(BaseOperator):
    """Runs beside the jobs, because jobs cannot reach the engine. Nothing to do where jobs are no containers."""

    def execute(self, context: Any) -> str:
        if chosen_runner() != "docker":
            return "jobs are no containers here"
        import docker
        from docker.errors import DockerException

        from tasks.maintenance.containers import sweep

        remove = context["ti"].xcom_pull(task_ids="plan")["remove"]
        airflow, found = logged_in(), Counter[str]()
        try:
            settings = DockerSettings.read(os.environ)
            client = docker.from_env(timeout=60)
            for line in sweep(client, settings, lambda: live_jobs(airflow, settings.deployment), remove):
                self.log.info("%s", line)
                found["leases" if " lease " in line else "containers"] += 1
        except BadInput as error:
            raise AirflowFailException(str(error)) from None
        except (DockerException, OSError) as error:
            raise AirflowException(f"the container engine: {type(error).__name__}: {error}") from None
        done = "removed" if remove else "would remove"
        return f"{done} {found['containers']} containers and {found['leases']} leases whose run is over"


class StoreOperator(JobOperator):
    """The job `maintain`; it keeps what active runs have told of (their tasks' results, their settings) so far."""

    operator_extra_links = ()

    def execute(self, context: Any) -> dict[str, Any]:
        return self._run(context, self._arguments(context))

    def _arguments(self, context: Any) -> tuple[str, ...]:
        asked, store = context["ti"].xcom_pull(task_ids="plan"), os.environ["PSGPO_STORE"]
        used = sorted(set(used_by_active_runs(context["ti"], logged_in(), store)))
        self.log.info("%d artifacts are in use by active runs", len(used))
        keep = [argument for address in used for argument in ("--keep", address)]
        days = ("--older-than-days", str(asked["older_than_days"]))
        return ("--store", store, *days, *keep, *(("--remove",) if asked["remove"] else ()))


def logged_in() -> Airflow:
    """Raises AirflowFailException when this deployment cannot tell which runs are active."""
    try:
        return connected()
    except AirflowNotFoundException:
        raise AirflowFailException(
            f"there is no connection {CONNECTION}: it is not known which runs are active"
        ) from None


def live_jobs(airflow: Airflow, deployment: str) -> set[str]:
    """Names of the containers that jobs of active runs have or may have."""
    return {
        job_name(deployment, run["dag_id"], run["dag_run_id"], one["task_id"], one["map_index"])
        for run in airflow.active_runs()
        for one in airflow.task_instances(run)
    }


def used_by_active_runs(ti: Any, airflow: Airflow, store: str) -> Iterator[str]:
    """Addresses of artifacts in the results and settings of active runs."""
    for run in airflow.active_runs():
        names = sorted({one["task_id"] for one in airflow.task_instances(run)})
        results = ti.xcom_pull(task_ids=names, dag_id=run["dag_id"], run_id=run["dag_run_id"])
        yield from (text for text in texts([results, run.get("conf")]) if text.startswith(f"{store}/"))


def texts(value: Any) -> Iterator[str]:
    """All texts in nested data; those of several lines line by line."""
    if isinstance(value, str):
        yield from (line.strip() for line in value.splitlines())
    elif isinstance(value, Mapping):
        yield from texts(value.values())
    elif isinstance(value, Iterable):
        for one in value:
            yield from texts(one)
