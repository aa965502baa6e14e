"""What an MLflow server has of the runs below one parent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tasks.tracking.delivery import experiment_id
from tasks.tracking.server import MlflowServer

EXPERIMENT = "chaos"


@dataclass(frozen=True)
class Tracked:
    """`points`: (metric, step) of all runs, repeated where the server has one twice; `parameters`: (name, value)."""

    runs: list[str]
    states: list[str]
    points: list[tuple[str, int]]
    values: dict[tuple[str, int], float]
    parameters: list[tuple[str, str]]


def tracked_below(address: str, parent: str) -> Tracked:
    server = MlflowServer(address)
    query = {
        "experiment_ids": [experiment_id(server, EXPERIMENT)],
        "filter": f"tags.`mlflow.parentRunId` = '{parent}'",
    }
    runs = server.post("runs/search", query).get("runs", [])
    points: list[tuple[str, int]] = []
    values = {}
    for run in runs:
        for metric in run["data"].get("metrics", []):
            for point in _history(server, run, metric["key"]):
                points.append((metric["key"], int(point.get("step", 0))))
                values[points[-1]] = float(point["value"])
    parameters = [(p["key"], p["value"]) for run in runs for p in run["data"].get("params", [])]
    return Tracked(
        [run["info"]["run_id"] for run in runs],
        [run["info"]["status"] for run in runs],
        points,
        values,
        parameters,
    )


def _history(server: MlflowServer, run: dict[str, Any], metric: str) -> list[dict[str, Any]]:
    answer = server.get("metrics/get-history", run_id=run["info"]["run_id"], metric_key=metric)
    return answer.get("metrics", [])
