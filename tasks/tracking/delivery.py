"""Bring what a spool holds to the MLflow server: in order, once, into one run per stage digest and parent.

A run is found again by its tag `psgpo.digest` below the same parent, so a stage that is run again goes on in its own
run. MLflow would take a step a second time as a second point: the last step of every metric is read back whenever a
connection is made, also after a failed call that the server may have carried out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.tracking.server import MlflowServer, Refused, key_values
from tasks.tracking.spool import Point, RunIdentity, Spool

METRICS_PER_CALL = 1000
VALUES_PER_CALL = 100
_STAGE_TAGS = ("arm", "seed", "checkpoint")

_KIND = {
    "key": "mlflow.experimentKind",
    "value": "custom_model_development",
}  # opens on runs and charts, not on traces


class Delivery:
    """Delivers one spool. Calls raise ServerDown or Refused; the spool then still holds everything undelivered."""

    def __init__(self, server: MlflowServer, identity: RunIdentity) -> None:
        self.server, self.identity = server, identity
        self.run_id = ""
        """Empty before the first connection."""
        self._run: dict[str, Any] | None = None
        self._last_step: dict[str, int] = {}

    def connect(self) -> None:
        """Find or open the run, and read back what it has."""
        run = find_run(self.server, self.identity) or self._create()
        data = run.get("data", {})
        self._last_step = {metric["key"]: int(metric.get("step", 0)) for metric in data.get("metrics", [])}
        self.run_id = str(run["info"]["run_id"])
        self._log_parameters({parameter["key"] for parameter in data.get("params", [])})
        self._run = run

    def deliver(self, spool: Spool) -> None:
        """Send all the spool holds, then mark it delivered; after a failed call the next one connects again."""
        try:
            if self._run is None:
                self.connect()
            assert self._run is not None
            self._send_points(spool.points())
            if tags := spool.tags():
                self._batch(tags=key_values(tags))
            for path, folder in spool.files():
                self.server.upload(self._run, path, folder)
            if ended := spool.status():
                self._update(ended[0], end_time=ended[1])
        except Exception:
            self._run = None
            raise
        spool.delivered()

    def reopen(self) -> None:
        """A run that ended before is running again."""
        if self._run is not None and self._run["info"]["status"] != "RUNNING":
            self._update("RUNNING")

    def _send_points(self, points: Sequence[Point]) -> None:
        fresh = list(self._fresh(points))
        for start in range(0, len(fresh), METRICS_PER_CALL):
            self._batch(metrics=fresh[start : start + METRICS_PER_CALL])

    def _fresh(self, points: Sequence[Point]) -> Iterator[dict[str, Any]]:
        for point in points:
            for name, value in point.metrics.items():
                if point.step > self._last_step.get(name, -1):
                    self._last_step[name] = point.step
                    yield {"key": name, "value": value, "timestamp": point.time, "step": point.step}

    def _batch(self, **values: list[dict[str, Any]]) -> None:
        self.server.post("runs/log-batch", {"run_id": self.run_id, **values})

    def _update(self, status: str, **more: int) -> None:
        self.server.post("runs/update", {"run_id": self.run_id, "status": status, **more})

    def _create(self) -> dict[str, Any]:
        body = {
            "experiment_id": experiment_id(self.server, self.identity.experiment),
            "start_time": int(time.time() * 1000),
            "run_name": self.identity.label,
            "tags": key_values(_tags(self.identity)),
        }
        return self.server.post("runs/create", body)["run"]

    def _log_parameters(self, present: set[str]) -> None:
        flat = flatten(self.identity.parameters)
        missing = key_values({name: value for name, value in flat.items() if name not in present})
        for start in range(0, len(missing), VALUES_PER_CALL):
            self._batch(params=missing[start : start + VALUES_PER_CALL])


def find_run(server: MlflowServer, identity: RunIdentity) -> dict[str, Any] | None:
    """The run of this digest below this parent, if there is one."""
    body = {
        "experiment_ids": [experiment_id(server, identity.experiment)],
        "filter": f"tags.`psgpo.digest` = '{identity.digest}'",
        "order_by": ["attributes.start_time ASC"],
    }
    for run in server.post("runs/search", body).get("runs", []):
        tags = {tag["key"]: tag["value"] for tag in run["data"].get("tags", [])}
        if tags.get("mlflow.parentRunId", "") == identity.parent:
            return run
    return None


def experiment_id(server: MlflowServer, name: str) -> str:
    """The id of the experiment of that name, made if there is none."""
    try:
        return str(server.get("experiments/get-by-name", experiment_name=name)["experiment"]["experiment_id"])
    except Refused as refused:
        if refused.code != "RESOURCE_DOES_NOT_EXIST":
            raise
    try:
        return str(server.post("experiments/create", {"name": name, "tags": [_KIND]})["experiment_id"])
    except Refused as refused:
        if refused.code != "RESOURCE_ALREADY_EXISTS":  # another job was quicker
            raise
    return experiment_id(server, name)


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested sections as dotted keys: `{"ppo": {"steps": 40}}` becomes `{"ppo.steps": 40}`."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _tags(identity: RunIdentity) -> dict[str, Any]:
    cell = identity.parameters.get("cell", {})
    tags = {name: cell[name] for name in _STAGE_TAGS if cell.get(name) not in (None, "")}
    tags |= {"stage": identity.stage, "psgpo.digest": identity.digest}
    tags |= {"mlflow.source.name": f"python -m tasks {identity.stage}", "mlflow.source.type": "JOB"}
    if "profile" in identity.parameters:
        tags["profile"] = identity.parameters["profile"]
    if identity.parent:
        tags["mlflow.parentRunId"] = identity.parent
    return tags
