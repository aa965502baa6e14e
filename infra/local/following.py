"""What a run of `psgpo_train` is doing now, read from Airflow and from the progress lines in the task logs."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.local.airflow_api import AirflowApi, AirflowError
from infra.local.environment import JOB_SLOTS
from infra.local.settings import Settings
from tasks.forecast import forecast, wall_seconds
from tasks.pipeline import PlannedJob, training_jobs
from tasks.profiles import load_config
from tasks.store import open_store

DAG = "psgpo_train"
_PROGRESS = re.compile(r"progress .+? (\d+)/(\d+) \d+% (?:eta|took) (\S+?)s? ?(?: (.*))?$")
_ENDED = ("success", "skipped", "failed", "upstream_failed", "removed")
_TAIL_BYTES = 16_384
_QUICK = 2.0


@dataclass(frozen=True)
class Running:
    """A job under way. `share` is how much of it is done, 0 to 1; `left` its own estimate in seconds, None if unknown."""

    name: str
    share: float
    left: float | None
    note: str


@dataclass(frozen=True)
class Snapshot:
    """The run at one moment. `share` 0 to 1 of the expected work; `left` seconds to the end, None before the plan."""

    state: str
    elapsed: float
    share: float
    left: float | None
    running: tuple[Running, ...]
    ended: Mapping[str, str]
    """State of every ended task instance by its name, such as `train_policy psgpo/seed0`."""


class Follower:
    """Takes snapshots of one run."""

    def __init__(self, api: AirflowApi, settings: Settings, run_id: str) -> None:
        self.api, self.settings, self.run_id = api, settings, run_id
        self._jobs: list[PlannedJob] = []
        self._seconds: Mapping[str, float] = {}

    def instances(self) -> list[dict[str, Any]]:
        return self.api.task_instances(DAG, self.run_id)

    def snapshot(self) -> Snapshot:
        self._read_plan()
        run, instances = self.api.run(DAG, self.run_id), self.instances()
        started = run["start_date"]
        running = [self._running(one) for one in instances if one["state"] == "running"]
        ended = {name_of(one): one["state"] for one in instances if one["state"] in _ENDED}
        share, left = outlook(self._jobs, self._seconds, running, ended)
        return Snapshot(
            state=run["state"],
            elapsed=_since(started) if started else 0.0,
            share=share,
            left=left if self._jobs else None,
            running=tuple(running),
            ended=ended,
        )

    def log_tail(self, instance: Mapping[str, Any], lines: int = 25) -> list[str]:
        """The last messages of a task instance's current try."""
        return list(_messages(self._log_path(instance)))[-lines:]

    def _read_plan(self) -> None:
        if self._jobs:
            return
        try:
            plan = self.api.xcom(DAG, self.run_id, "plan")
        except AirflowError as error:
            if error.status != 404:  # not planned yet
                raise
            return
        config = load_config(plan["profile"], plan["overrides"])
        self._jobs = training_jobs(plan["cells"], plan["checkpoints"], plan["champion"] is not None)
        self._seconds = forecast(open_store(self.settings.store_uri), config, self._jobs).job_seconds

    def _running(self, instance: Mapping[str, Any]) -> Running:
        name = name_of(instance)
        expected = self._seconds.get(name, _QUICK)
        share, left, note = min(_since(instance["start_date"]) / expected, 0.95), None, ""
        for message in _messages(self._log_path(instance)):
            if found := _PROGRESS.search(message):
                done, total, eta, note = found.groups(default="")
                share = int(done) / max(int(total), 1)
                left = float(eta) if eta.isdigit() and "took" not in message else None
        return Running(name, share, left, note)

    def _log_path(self, instance: Mapping[str, Any]) -> Path:
        index = instance["map_index"]
        folder = self.settings.airflow_home / "logs" / f"dag_id={DAG}" / f"run_id={self.run_id}"
        folder /= f"task_id={instance['task_id']}"
        if index >= 0:
            folder /= f"map_index={index}"
        return folder / f"attempt={max(instance['try_number'], 1)}.log"


def outlook(
    jobs: Sequence[PlannedJob],
    seconds: Mapping[str, float],
    running: Iterable[Running],
    ended: Collection[str],
) -> tuple[float, float]:
    """Share of the expected work that is done, 0 to 1, and the seconds to its end. `seconds` are those of whole jobs."""
    now = {one.name: one for one in running}

    def rest(name: str) -> float:
        if name in ended:
            return 0.0
        if name not in now:
            return seconds[name]
        known = now[name].left
        return seconds[name] * (1 - now[name].share) if known is None else known

    work = sum(seconds[job.name] for job in jobs)
    undone = sum(
        seconds[job.name] * (1 - now[job.name].share if job.name in now else 1)
        for job in jobs
        if job.name not in ended
    )
    holders_first = sorted(jobs, key=lambda job: job.name not in now)
    left = wall_seconds(holders_first, {job.name: rest(job.name) for job in jobs}, JOB_SLOTS)
    return (1 - undone / work if work else 0.0), left


def name_of(instance: Mapping[str, Any]) -> str:
    """`train_policy psgpo/seed0`: the task without its group, and the cell. So are the jobs of the plan called."""
    task = instance["task_id"].rpartition(".")[2]
    cell = instance["rendered_map_index"] or (instance["map_index"] if instance["map_index"] >= 0 else "")
    return f"{task} {cell}".strip()


def _since(moment: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()


def _messages(path: Path) -> Iterator[str]:
    """Messages near the end of a task log; none when it is not there yet."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            yield str(json.loads(line)["event"])
        except (ValueError, KeyError, TypeError):
            continue
