"""What the DAGs need in Airflow's database, as code and in one place for both stacks: pools, variables, connections.

The embedded stack brings it in through Airflow's REST interface. A deployment imports files of it:

    python airflow_objects.py FOLDER     pools.json  variables.json  connections.json  (`airflow pools import`, ...)

Variables are there to be changed: one that exists is left as it is. The connection `psgpo_airflow` is not here, because it
comes with the environment of the one component that uses it. This file needs the standard library alone.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

JOB_POOL = "jobs"
NOTICES = {"NOTICE_WEBHOOK": "psgpo_notice_webhook", "NOTICE_EMAIL": "psgpo_notice_email"}
"""Which connection has the address in which environment variable; docs/maintenance.md."""


def pools(slots: int) -> dict[str, dict[str, Any]]:
    """By name. `slots`: jobs that run at once; with GPUs, as many as there are devices."""
    about = "stage jobs that run at once: one per core or GPU"
    return {JOB_POOL: {"slots": slots, "description": about, "include_deferred": False}}


def variables() -> dict[str, dict[str, str]]:
    """By key: the settings of runs on schedule, none at first."""
    said = {
        "psgpo_retrain": "JSON: fields of psgpo_retrain's form, for its runs on schedule",
        "psgpo_maintain": "JSON: older_than_days and remove, for the nightly runs of psgpo_maintain",
    }
    return {key: {"value": "{}", "description": about} for key, about in said.items()}


def connections(environment: Mapping[str, str]) -> dict[str, str]:
    """Addresses by name; those that nobody has set are left out."""
    return {name: environment[variable] for variable, name in NOTICES.items() if environment.get(variable)}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "pools": pools(int(os.environ["JOB_SLOTS"])),
        "variables": variables(),
        "connections": connections(os.environ),
    }
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
