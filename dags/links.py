"""Links on tasks that lead to the tracking server."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink


class MlflowLink(BaseOperatorLink):
    """The task's MLflow run. While it runs, the list of runs of that name below the parent run.

    The address travels in an XCom that the task pushes when it starts; `get_link` is called once more when the task has
    ended, and what it returns replaces the XCom.
    """

    name = "MLflow run"
    xcom_key = "mlflow_link"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        return operator.mlflow_link


def run_address(experiment_id: str, run_id: str) -> str:
    """The page of one run."""
    return f"{_server()}/#/experiments/{experiment_id}/runs/{run_id}"


def search_address(experiment_id: str, parent_run_id: str, label: str) -> str:
    """The runs called `label` below a parent run."""
    wanted = f"tags.mlflow.parentRunId = '{parent_run_id}' AND attributes.run_name = '{label}'"
    return f"{_server()}/#/experiments/{experiment_id}?searchFilter={quote(wanted)}"


def _server() -> str:
    return os.environ.get("MLFLOW_TRACKING_URI", "").rstrip("/")
