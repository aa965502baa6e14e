"""An Airflow of its own for these tests: temporary home, SQLite, the project's DAG folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow.sdk import DAG

ROOT = Path(__file__).resolve().parents[2]
_HOME = tempfile.TemporaryDirectory(prefix="psgpo-airflow-")
# Airflow reads its configuration when it is imported first.
os.environ |= {
    "AIRFLOW_HOME": _HOME.name,
    "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    "AIRFLOW__DAG_PROCESSOR__DAG_VERSION_INFLATION_CHECK_LEVEL": "error",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    "PYTHONPATH": str(ROOT),
}


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """Tables made once (about 10 s)."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture(scope="session")
def dags() -> dict[str, DAG]:
    """All DAGs of the project by id; reading them gives no errors."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(ROOT / "dags"))
    assert not bag.import_errors
    return dict(bag.dags)


@pytest.fixture
def train(dags: dict[str, Any]) -> Any:
    return dags["psgpo_train"]
