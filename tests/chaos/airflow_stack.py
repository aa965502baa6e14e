"""One embedded stack for all faults of Airflow: what is triggered, looked at and killed in it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from infra.local import processes
from infra.local.airflow_api import AirflowApi
from infra.local.environment import stack_environment
from infra.local.settings import Settings

DAG = "psgpo_train"
SMALL = {"profile": "smoke", "arms_arms": ["rl"], "evaluation_problems": 4}
"""The conf of a run of a minute or two."""
PATIENCE = 3600.0  # a starved machine is no fault
HEARTBEAT_SECONDS = 60
"""After so long without a sign of life a task is tried again; 300 s where nothing sets it."""
_COMMANDS = {
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "api-server": ("api-server",),
    "dag-processor": ("dag-processor",),
}


@dataclass
class Stack:
    settings: Settings
    api: AirflowApi

    def trigger(self, name: str, **conf: Any) -> None:
        wait_for(lambda: self.api.has_dag(DAG), 120)
        self.api.trigger(DAG, name, {**SMALL, **conf})

    def end(self, name: str) -> str:
        """The state in which a run ended."""
        wait_for(lambda: self._state(name) in ("success", "failed"), PATIENCE, fail=False)
        return self._state(name)

    def _state(self, name: str) -> str:
        return str(self.api.run(DAG, name)["state"])

    def envelopes(self, name: str) -> dict[tuple[str, int], dict[str, Any]]:
        """What a run's finished jobs returned, by task and map index."""
        found = {}
        for one in self.api.task_instances(DAG, name):
            if one["state"] == "success":
                with suppress(Exception):  # tasks without envelope
                    envelope = self.api.xcom(DAG, name, one["task_id"], one["map_index"])
                    if "artifact" in envelope:
                        found[one["task_id"], int(one["map_index"])] = envelope
        return found

    def artifacts(self, name: str) -> dict[str, bool]:
        """Artifacts that a run's tasks returned, and whether each was found made."""
        return {str(one["artifact"]): bool(one["cached"]) for one in self.envelopes(name).values()}

    def tries(self, name: str) -> dict[tuple[str, int], int]:
        """How often each task of a run was tried."""
        instances = self.api.task_instances(DAG, name)
        return {(one["task_id"], int(one["map_index"])): int(one["try_number"]) for one in instances}

    def jobs(self) -> list[psutil.Process]:
        """Stage processes."""
        found = []
        for process in processes.running(self.settings.state):
            with suppress(psutil.Error):
                if process.cmdline()[1:3] == ["-m", "tasks"]:
                    found.append(process)
        return found

    def working(self, known: Iterable[psutil.Process] = ()) -> list[psutil.Process]:
        """Stages and all they have started, but for a run's conclusion; those `known` from before count by themselves."""
        found = set()
        for process in known:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.add(process)
        for job in self.jobs():
            with suppress(psutil.Error):
                if "conclude" not in job.cmdline():
                    found |= {job, *job.children(recursive=True)}
        return sorted(found, key=lambda process: process.pid)

    def kill(self, component: str) -> int:
        """SIGKILL; how many processes there were. Those it had started live on, a scheduler's tasks for example."""
        found = [one for one in processes.running(self.settings.state) if _title(one).startswith(component)]
        for process in found:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        return len(found)

    def start(self, component: str) -> None:
        environment = stack_environment(self.settings)
        environment["AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT"] = str(HEARTBEAT_SECONDS)
        argv = [str(Path(sys.executable).parent / "airflow"), *_COMMANDS[component]]
        processes.start(f"{component}-again", argv, environment, self.settings.state)

    def worker_of(self, job: psutil.Process) -> psutil.Process:
        """The executor's process that runs a job's task."""
        return next(one for one in job.parents() if "LocalExecutor" in " ".join(one.cmdline()))


def _title(process: psutil.Process) -> str:
    """`scheduler ...` for `airflow scheduler ...`, with dashes however the process calls itself."""
    with suppress(psutil.Error):
        return " ".join(process.cmdline()).replace("_", "-").rpartition("airflow ")[2]
    return ""


def wait_for(condition: Callable[[], bool], seconds: float, *, fail: bool = True) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(psutil.Error):
            if condition():
                return True
        time.sleep(0.5)
    if fail:
        raise RuntimeError(f"nothing after {seconds:.0f} s")
    return False
