"""The operators that run one stage as a job, and nothing else.

A job's stderr goes to the task log line by line; its result line (the envelope) is the task's XCom. Exit code 64 means
that the input is bad: the task fails at once. Anything else that is not success is tried again, and the stage goes on
from its last checkpoint.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from dags.container_job import ContainerJob, chosen_runner
from dags.links import MlflowLink, run_address, search_address
from tasks.errors import EXIT_BAD_INPUT
from tasks.job_process import JobProcess, Outcome
from tasks.jobs import JobSpec, as_process, stage_arguments

POOL = "jobs"
_BACKSTOP = timedelta(minutes=5)
_RUN_LINE = "mlflow run "
# MB of shared memory between a job's processes: those of a job with GPUs pass tensors there
SHM, GPU_SHM = 64, 1024


class JobOperator(ContainerJob, BaseOperator):
    """Runs `python -m tasks STAGE` with the configuration of the task `plan`.

    `inputs` maps input names to envelopes of upstream tasks (one, or a list of them; skipped tasks' are left out); `cell`
    is an entry of the plan's `cells` or `checkpoints`, and names the task in the grid; it may bring `settings` and
    `inputs` of its own. `memory_mb` and `timeout` are the job's limits.
    """

    template_fields: Sequence[str] = ("inputs", "cell")
    operator_extra_links = (MlflowLink(),)
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        stage: str,
        timeout: timedelta,
        memory_mb: int,
        gpus: int = 0,
        inputs: Mapping[str, Any] | None = None,
        cell: Any = None,
        pool: str = POOL,
        **airflow: Any,
    ) -> None:
        # The job's own timeout comes first and says so; Airflow's is there for a runner that hangs.
        super().__init__(pool=pool, execution_timeout=timeout + _BACKSTOP, **airflow)
        self.stage, self.timeout, self.memory_mb, self.gpus = stage, timeout, memory_mb, gpus
        self.inputs, self.cell = inputs or {}, cell
        self.addresses: dict[str, str] = {}
        self._plan: dict[str, Any] = {}
        self._job: JobProcess | None = None

    def execute(self, context: Any) -> dict[str, Any]:
        plan = self._plan = context["ti"].xcom_pull(task_ids="plan")
        here = search_address(plan["experiment_id"], plan["parent_run_id"], self._label())
        for link in self.operator_extra_links:
            self._push(context, link.xcom_key, here)
        envelope = self._run(context, self._arguments(context))
        if envelope.get("cached") and envelope["mlflow_run_id"]:
            # the run that made the files has them
            self._link_run(context, envelope["mlflow_run_id"], files_only=True)
        return envelope

    def on_kill(self) -> None:
        job = self._job or self.container
        if job is not None:
            job.stop("the task was stopped")

    def _arguments(self, context: Any) -> tuple[str, ...]:
        cell = self.cell or {}
        settings = [f"cell.{name}={cell[name]}" for name in ("arm", "seed", "checkpoint") if name in cell]
        settings += [f"{key}={json.dumps(value)}" for key, value in cell.get("settings", {}).items()]
        inputs = {**self.inputs, **cell.get("inputs", {})}
        return stage_arguments(
            config=self._plan["profile"],
            overrides=(*self._plan["overrides"], *settings),
            inputs={name: tuple(artifacts(given)) for name, given in inputs.items()},
            store=os.environ["PSGPO_STORE"],
            label=self._label(),
        )

    def _label(self) -> str:
        return f"{self.stage} {self.cell['label']}" if self.cell else self.stage

    def _run(self, context: Any, arguments: tuple[str, ...]) -> dict[str, Any]:
        """Run the job to its end; the envelope. Raises when there is none."""
        environment = {"PSGPO_PARENT_RUN": self._plan.get("parent_run_id", "")}
        seconds = self.timeout.total_seconds()
        cpus = int(os.environ.get("PSGPO_JOB_CPUS") or 1)
        shm_mb = GPU_SHM if self.gpus else SHM
        spec = JobSpec(self.stage, arguments, self.memory_mb, seconds, self.gpus, environment, cpus, shm_mb)
        self.log.info("python -m tasks %s %s", self.stage, " ".join(arguments))
        last = ""

        def on_line(line: str) -> None:
            nonlocal last
            last = line
            self.log.info("%s", line)
            if line.startswith(_RUN_LINE):
                run_id = line.removeprefix(_RUN_LINE)
                self._link_run(context, run_id)

        if chosen_runner() == "docker":
            outcome = self.run_container(context, spec, on_line)
        else:
            self._job = JobProcess(as_process(spec, os.environ))
            outcome = self._job.run(on_line)
        return _envelope(outcome, self.stage, last)

    def _link_run(self, context: Any, run_id: str, *, files_only: bool = False) -> None:
        """Let the links lead to this run, those to its files included."""
        for link in self.operator_extra_links:
            file = getattr(link, "file", "")
            if file or not files_only:
                address = run_address(self._plan["experiment_id"], run_id, file)
                self._push(context, link.xcom_key, address)
                self.log.info("%s: %s", link.name, address)  # the log is the tab that people see first

    def _push(self, context: Any, key: str, address: str) -> None:
        self.addresses[key] = address
        context["ti"].xcom_push(key=key, value=address)


def _envelope(outcome: Outcome, stage: str, last_line: str) -> dict[str, Any]:
    if outcome.code == EXIT_BAD_INPUT:
        raise AirflowFailException(f"{stage}: {last_line.removeprefix('error: ')}")
    if outcome.stopped or outcome.code:
        raise AirflowException(f"{stage}: {outcome.stopped or f'exit code {outcome.code}: {last_line}'}")
    if outcome.envelope is None:
        raise AirflowException(f"{stage}: ended with code 0 but without a result line")
    return outcome.envelope


def artifacts(given: Any) -> Iterator[str]:
    """Artifact addresses of one envelope or of (lists of) several; what skipped tasks left is None."""
    if isinstance(given, Mapping):
        yield str(given["artifact"])
    elif isinstance(given, Iterable):
        for one in given:
            yield from artifacts(one)
