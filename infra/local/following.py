"""What a run of `psgpo_train` is doing now, read from Airflow and from the progress lines in the task logs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.local.airflow_api import AirflowApi, AirflowError
from infra.local.forecast import Work, seconds_left
from infra.local.settings import Settings
from infra.local.stack import JOB_SLOTS
from tasks.config import load_config
from tasks.forecast import forecast
from tasks.pipeline import training_jobs
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
        tasks = sorted(api.tasks(DAG), key=lambda task: -(task["priority_weight"] or 1))
        self._order = [task["task_id"] for task in tasks]
        self._upstream = {
            name: frozenset(task["task_id"] for task in tasks if name in task["downstream_task_ids"])
            for name in self._order
        }
        self._plan: dict[str, Any] | None = None
        self._seconds: Mapping[str, float] = {}

    def instances(self) -> list[dict[str, Any]]:
        return self.api.task_instances(DAG, self.run_id)

    def snapshot(self) -> Snapshot:
        self._read_plan()
        run, instances = self.api.run(DAG, self.run_id), self.instances()
        started = run["start_date"]
        running = {_key(one): self._running(one) for one in instances if one["state"] == "running"}
        ended = {_key(one): one["state"] for one in instances if one["state"] in _ENDED}
        work = list(self._work(running, ended))
        done = sum(self._expected(task) for task, _ in ended)
        under_way = sum(self._expected(task) * now.share for (task, _), now in running.items())
        total = done + under_way + sum(one.seconds for one in work)
        return Snapshot(
            state=run["state"],
            elapsed=_since(started) if started else 0.0,
            share=(done + under_way) / total if total else 0.0,
            left=seconds_left(work, self._upstream, JOB_SLOTS) if self._plan else None,
            running=tuple(running.values()),
            ended={name_of(one): one["state"] for one in instances if _key(one) in ended},
        )

    def log_tail(self, instance: Mapping[str, Any], lines: int = 25) -> list[str]:
        """The last messages of a task instance's current try."""
        return list(_messages(self._log_path(instance)))[-lines:]

    def _work(
        self,
        running: Mapping[tuple[str, int], Running],
        ended: Mapping[tuple[str, int], str],
    ) -> Iterator[Work]:
        """What is left, tasks that are not mapped yet included."""
        counts = self._mapped_counts()
        for task in self._order:
            for index in range(counts[task]) if counts[task] is not None else (-1,):
                key = (task, index)
                if key in running:
                    now = running[key]
                    left = self._expected(task) * (1 - now.share) if now.left is None else now.left
                    yield Work(task, index, left, running=True)
                elif key not in ended and (task, -1) not in ended:
                    yield Work(task, index, self._expected(task), running=False)

    def _expected(self, task: str) -> float:
        """Seconds of one instance, as planned; tasks that are no jobs are quick."""
        return self._seconds.get(task.rpartition(".")[2], _QUICK)

    def _mapped_counts(self) -> dict[str, int | None]:
        """How many instances each task has or will have; None for a task that is not mapped."""
        plan = self._plan
        cells = plan["cells"] if plan else []
        groups = {
            "arms": sum(not cell["needs_prm"] for cell in cells),
            "prm_arms": sum(cell["needs_prm"] for cell in cells),
            "supervision": len(plan["checkpoints"]) if plan else 0,
            "champion": int(bool(plan and plan["champion"])),
        }
        return {task: groups.get(task.split(".")[0]) if "." in task else None for task in self._order}

    def _read_plan(self) -> None:
        if self._plan is not None:
            return
        try:
            plan = self.api.xcom(DAG, self.run_id, "plan")
        except AirflowError as error:
            if error.status != 404:  # not planned yet
                raise
            return
        jobs = training_jobs(plan["cells"], plan["checkpoints"], plan["champion"] is not None)
        config = load_config(plan["profile"], plan["overrides"])
        self._plan = plan
        self._seconds = forecast(open_store(self.settings.store_uri), config, jobs).job_seconds

    def _running(self, instance: Mapping[str, Any]) -> Running:
        expected = self._expected(instance["task_id"])
        share, left, note = min(_since(instance["start_date"]) / expected, 0.95), None, ""
        for message in _messages(self._log_path(instance)):
            if found := _PROGRESS.search(message):
                done, total, eta, note = found.groups(default="")
                share = int(done) / max(int(total), 1)
                left = float(eta) if eta.isdigit() and "took" not in message else None
        return Running(name_of(instance), share, left, note)

    def _log_path(self, instance: Mapping[str, Any]) -> Path:
        index = instance["map_index"]
        folder = self.settings.airflow_home / "logs" / f"dag_id={DAG}" / f"run_id={self.run_id}"
        folder /= f"task_id={instance['task_id']}"
        if index >= 0:
            folder /= f"map_index={index}"
        return folder / f"attempt={max(instance['try_number'], 1)}.log"


def name_of(instance: Mapping[str, Any]) -> str:
    """`train_policy psgpo/seed0`: the task without its group, and the cell."""
    task = instance["task_id"].rpartition(".")[2]
    cell = instance["rendered_map_index"] or (instance["map_index"] if instance["map_index"] >= 0 else "")
    return f"{task} {cell}".strip()


def _key(instance: Mapping[str, Any]) -> tuple[str, int]:
    return instance["task_id"], instance["map_index"]


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
