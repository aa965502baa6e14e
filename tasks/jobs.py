"""One execution of a stage, described once (`JobSpec`) and rendered for what runs it.

Rendered as a process today: a child of the worker, with a copy of the worker's environment from which everything of
Airflow's is removed, because a job needs none of its secrets.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

_HIDDEN = ("AIRFLOW", "_AIRFLOW")
_NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}


@dataclass(frozen=True)
class JobSpec:
    """`stage` with `argv` is what follows `python -m tasks`; `env` is added to the runner's own environment.

    Limits: `gpus` devices are visible, `memory_mb` for all processes of the job together, `timeout_seconds` of wall time.
    """

    stage: str
    argv: tuple[str, ...]
    memory_mb: int
    timeout_seconds: float
    gpus: int = 0
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ProcessCall:
    """What to start, and the limits to hold it to."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    memory_mb: int
    timeout_seconds: float


def as_process(spec: JobSpec, surroundings: Mapping[str, str]) -> ProcessCall:
    """The job as a child of a process whose environment is `surroundings`."""
    inherited = {name: value for name, value in surroundings.items() if not name.startswith(_HIDDEN)}
    hidden = {} if spec.gpus else _NO_GPU
    argv = (sys.executable, "-m", "tasks", spec.stage, *spec.argv)
    return ProcessCall(argv, {**inherited, **hidden, **spec.env}, spec.memory_mb, spec.timeout_seconds)


def stage_arguments(
    *,
    config: str,
    overrides: tuple[str, ...],
    inputs: Mapping[str, tuple[str, ...]],
    store: str,
    label: str,
) -> tuple[str, ...]:
    """The command line of a stage: `--config ... --set ... --input NAME=URI ... --store URI --label LABEL`."""
    argv = ["--config", config]
    for override in overrides:
        argv += ["--set", override]
    for name, uris in inputs.items():
        for uri in uris:
            argv += ["--input", f"{name}={uri}"]
    return (*argv, "--store", store, "--label", label)
