"""Links on tasks that lead to the tracking server."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink


class _TaskLink(BaseOperatorLink):
    """A link whose address travels in an XCom, pushed as soon as it is known.

    `get_link` is called once more when the task has ended, and what it returns replaces the XCom.
    """

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        return operator.addresses.get(self.xcom_key, "")


class MlflowLink(_TaskLink):
    """The task's MLflow run; until that is open, the runs of this name below the parent run."""

    name = "MLflow run"
    xcom_key = "mlflow_link"


class ReportLink(_TaskLink):
    name = "Report"
    xcom_key = "report_link"
    file = "report/report.html"


class DataDocsLink(_TaskLink):
    """Great Expectations' pages; they are there before a failing suite stops the task."""

    name = "Data Docs"
    xcom_key = "data_docs_link"
    file = "validation/data_docs/index.html"


class StartedRunLink(_TaskLink):
    """The run of another DAG that the task started."""

    name = "Started run"
    xcom_key = "started_run_link"


def run_address(experiment_id: str, run_id: str, file: str = "") -> str:
    """The page of one run, or of a file of it."""
    path = f"/artifacts/{file}" if file else ""
    return f"{_server()}/#/experiments/{experiment_id}/runs/{run_id}{path}?{_VIEW}"


def search_address(experiment_id: str, parent_run_id: str, label: str) -> str:
    """The runs called `label` below a parent run."""
    wanted = f"tags.mlflow.parentRunId = '{parent_run_id}' AND attributes.run_name = '{label}'"
    return f"{_server()}/#/experiments/{experiment_id}/runs?searchFilter={quote(wanted)}&{_VIEW}"


# Without it MLflow shows its pages for language model applications, where training runs are hard to find.
_VIEW = "workflowType=machine_learning"


def _server() -> str:
    """Where people reach it; jobs may know it by another name (`MLFLOW_TRACKING_URI`)."""
    address = os.environ.get("PSGPO_MLFLOW_UI") or os.environ.get("MLFLOW_TRACKING_URI", "")
    return address.rstrip("/")
