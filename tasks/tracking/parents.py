"""The parent run of one pipeline run: stages and cells become its children (`PSGPO_PARENT_RUN`)."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.tracking.delivery import experiment_id, flatten
from tasks.tracking.mlflow_runs import EXPERIMENT, EXPERIMENT_VARIABLE
from tasks.tracking.server import configured_server, key_values

KEY_TAG = "psgpo.run"
NOTE_TAG, OPENING_TAG = "mlflow.note.content", "psgpo.note"
"""The description people see, and the one the run was opened with."""


def open_parent_run(
    key: str, name: str, parameters: Mapping[str, Any], tags: Mapping[str, str], note: str = ""
) -> str:
    """The MLflow run id of pipeline run `key` (such as an Airflow run id), opened once; empty when tracking is off.

    `note` is Markdown shown as the run's description. Raises ServerDown or Refused.
    """
    server = configured_server()
    if server is None:
        return ""
    experiment = experiment_id(server, os.environ.get(EXPERIMENT_VARIABLE) or EXPERIMENT)
    hashed = hashlib.sha256(key.encode()).hexdigest()  # a key may hold quotes, which the filter cannot
    wanted = f"tags.`{KEY_TAG}` = '{hashed}'"
    found = server.post("runs/search", {"experiment_ids": [experiment], "filter": wanted})
    for run in found.get("runs", []):
        run_id = str(run["info"]["run_id"])
        server.post("runs/update", {"run_id": run_id, "status": "RUNNING"})
        return run_id
    created = server.post(
        "runs/create",
        {
            "experiment_id": experiment,
            "start_time": int(time.time() * 1000),
            "run_name": name,
            "tags": key_values({**tags, KEY_TAG: hashed, NOTE_TAG: note, OPENING_TAG: note}),
        },
    )
    run_id = str(created["run"]["info"]["run_id"])
    parameters_list = key_values(flatten(parameters))
    for start in range(0, len(parameters_list), 100):
        server.post("runs/log-batch", {"run_id": run_id, "params": parameters_list[start : start + 100]})
    return run_id


def close_parent_run(
    run_id: str,
    status: str,
    metrics: Mapping[str, float],
    files: tuple[Path, ...] = (),
    lines: Sequence[str] = (),
) -> None:
    """End the parent run FINISHED or FAILED with summary metrics and files; `lines` of Markdown go before its description.

    Done again, it leaves the same run. Raises ServerDown or Refused.
    """
    server = configured_server()
    if server is None or not run_id:
        return
    now = int(time.time() * 1000)
    points = [{"key": key, "value": value, "timestamp": now, "step": 0} for key, value in metrics.items()]
    server.post("runs/log-batch", {"run_id": run_id, "metrics": points})
    run = server.get("runs/get", run_id=run_id)["run"]
    for path in files:
        server.upload(run, path, "report")
    if lines:
        note = {"key": NOTE_TAG, "value": "\n\n".join([*lines, _opening_note(run)])}
        server.post("runs/set-tag", {"run_id": run_id, **note})
    server.post("runs/update", {"run_id": run_id, "status": status, "end_time": now})


def _opening_note(run: Mapping[str, Any]) -> str:
    tags = {tag["key"]: tag["value"] for tag in run["data"].get("tags", [])}
    return tags.get(OPENING_TAG, "")
