"""The part of a job's operator that runs it as a container and survives Airflow's own restarts.

The container's name follows from the task instance, so a task that is tried again (its worker died, Airflow was
restarted, its heartbeat was lost) finds the container of its predecessor and goes on watching it. Airflow remembers the
container's id as well, and up to which time its log was shown.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from airflow.sdk import ResumableJobMixin
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from tasks.errors import BadInput
from tasks.job_container import ACTIVE, EngineUnreachable, JobContainer
from tasks.job_process import Outcome
from tasks.job_profile import DockerSettings, job_name
from tasks.jobs import JobSpec, as_container

RUNNERS = ("process", "docker")
_SHOWN_KEY = "log_shown_until"
_REMEMBER_SECONDS = 10.0


def chosen_runner() -> str:
    """`PSGPO_RUNNER`; raises AirflowFailException for one that does not exist."""
    runner = os.environ.get("PSGPO_RUNNER") or "process"
    if runner not in RUNNERS:
        raise AirflowFailException(f"PSGPO_RUNNER: is {runner!r}; allowed: {', '.join(RUNNERS)}")
    return runner


class ContainerJob(ResumableJobMixin):
    """Call `run_container`; the mixin decides whether that starts a container or goes on watching one."""

    external_id_key = "container"
    container: JobContainer | None = None
    _outcome: Outcome | None = None

    def run_container(self, context: Any, spec: JobSpec, on_line: Callable[[str], None]) -> Outcome:
        """Run the job to its end. Raises AirflowFailException when trying again cannot help."""
        self._on_line = on_line
        try:
            settings = DockerSettings.read(os.environ)
            ti = context["ti"]
            name = job_name(settings.deployment, ti.dag_id, ti.run_id, ti.task_id, ti.map_index)
            self.container = JobContainer(as_container(spec, name, os.environ), settings)
            return self.execute_resumable(context)
        except BadInput as error:
            raise AirflowFailException(str(error)) from None
        except (EngineUnreachable, TimeoutError) as error:
            raise AirflowException(str(error)) from None

    def submit_job(self, context: Any) -> str:
        return self.container.submit()

    def get_job_status(self, external_id: Any, context: Any) -> str:
        return self.container.status(external_id)

    def is_job_active(self, status: str) -> bool:
        return status in ACTIVE

    def is_job_succeeded(self, status: str) -> bool:
        return status == "exited 0"

    def poll_until_complete(self, external_id: Any, context: Any) -> Outcome:
        """The outcome is returned as well as kept: on a reconnect the mixin hands on what this returns."""
        remembered = context.get("task_state_store")
        shown = (remembered and remembered.get(_SHOWN_KEY)) or ""
        saved = time.monotonic()

        def on_line(line: str, at: str) -> None:
            nonlocal saved
            self._on_line(line)
            if remembered is not None and time.monotonic() - saved > _REMEMBER_SECONDS:
                saved = time.monotonic()
                remembered.set(_SHOWN_KEY, at)

        self.log.info("container %s", external_id[:12])
        self._outcome = self.container.follow(external_id, on_line, shown)
        return self._outcome

    def get_job_result(self, external_id: Any, context: Any) -> Outcome:
        return self._outcome or self.container.outcome(external_id)
