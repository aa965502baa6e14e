"""Start a run of another DAG and go on.

Airflow's own operator for this imports its database models and with them boto3, at every parse of a DAG file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import DagRunTriggerException

from dags.links import StartedRunLink


class StartRunOperator(BaseOperator):
    """Starts the run `started_run_id` with `conf`. One that exists is left as it is, and the task is skipped: a task that is
    tried again after its worker died does not train twice."""

    template_fields: Sequence[str] = ("started_run_id", "conf")
    operator_extra_links = (StartedRunLink(),)

    def __init__(self, *, trigger_dag_id: str, started_run_id: str, conf: Any, **airflow: Any) -> None:
        super().__init__(**airflow)
        self.trigger_dag_id, self.started_run_id, self.conf = trigger_dag_id, started_run_id, conf
        self.addresses: dict[str, str] = {}

    def execute(self, context: Any) -> None:
        link = self.operator_extra_links[0]
        ui = os.environ.get("PSGPO_AIRFLOW_UI", "")
        address = f"{ui}/dags/{self.trigger_dag_id}/runs/{quote(self.started_run_id, safe='')}"
        self.addresses[link.xcom_key] = address
        context["ti"].xcom_push(key=link.xcom_key, value=address)
        raise DagRunTriggerException(
            trigger_dag_id=self.trigger_dag_id,
            dag_run_id=self.started_run_id,
            conf=self.conf,
            reset_dag_run=False,
            skip_when_already_exists=True,
            wait_for_completion=False,
            allowed_states=[],
            failed_states=[],
            poke_interval=0,
            deferrable=False,
        )
