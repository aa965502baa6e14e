"""What every DAG of this project has in common: one run at a time, retries, time limits, notices."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from dags.notices import notices, remember_cause

SHORT, LONG = timedelta(minutes=30), timedelta(hours=12)
SMALL, LARGE = 4_000, 16_000
"""Memory of a job, MB."""


def dag_defaults(deadline: timedelta, **tasks: Any) -> dict[str, Any]:
    """Arguments for `@dag`. `deadline` is from queueing to end; `tasks` are more defaults of the tasks."""
    common = {
        "owner": "psgpo",
        "on_failure_callback": remember_cause,
        "retries": 2,
        "retry_delay": timedelta(seconds=10),
        "execution_timeout": timedelta(minutes=5),
    }
    return {"catchup": False, "max_active_runs": 1, "default_args": common | tasks, **notices(deadline)}
