"""One execution of a stage, described once (`JobSpec`) and rendered for what runs it.

process     a child of the worker, with a copy of its environment from which everything of Airflow's and of the runner's is
            removed, because a job needs none of their secrets
container   beside the worker, with an environment of its own: nothing but what is named `PSGPO_JOB_ENV__NAME` (for every
            job) or `PSGPO_JOB_ENV_<ROLE>__NAME` (for jobs of a role), and what the job itself brings
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

_HIDDEN = ("AIRFLOW", "_AIRFLOW", "PSGPO_JOB_")
_NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}
_GIVEN = "PSGPO_JOB_ENV_"

ROLES: Mapping[str, tuple[str, ...]] = {
    "sampler": ("prepare_benchmark", "sample_responses", "evaluate"),
    "labeller": ("prepare_problems", "validate", "label_prefixes", "check_prm"),
    "trainer": ("prepare_model", "sft", "train_policy", "fit_prm"),
    "promoter": (
        "plan",
        "plan-evaluation",
        "plan-retrain",
        "study",
        "weigh",
        "report",
        "compare",
        "promote",
        "rollback",
        "conclude",
    ),
    "cleaner": ("maintain",),
}
"""Who does what in the store: each role has its own credentials there (`infra/policies`)."""


@dataclass(frozen=True)
class JobSpec:
    """`stage` with `argv` is what follows `python -m tasks`; `env` is added to the runner's own environment.

    Limits: `gpus` devices are visible, `memory_mb` for all processes of the job together, `timeout_seconds` of wall time,
    `cpus` threads that compute at once, `shm_mb` of shared memory between the job's processes.
    """

    stage: str
    argv: tuple[str, ...]
    memory_mb: int
    timeout_seconds: float
    gpus: int = 0
    env: Mapping[str, str] = field(default_factory=dict)
    cpus: int = 1
    shm_mb: int = 64


@dataclass(frozen=True)
class ProcessCall:
    """What to start, and the limits to hold it to."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    memory_mb: int
    timeout_seconds: float


@dataclass(frozen=True)
class ContainerCall:
    """What to start and under which name, and the limits to hold it to. The environment holds secrets: never print it."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    memory_mb: int
    timeout_seconds: float
    gpus: int
    cpus: int
    shm_mb: int


def role_of(stage: str) -> str:
    """The role of a stage or command. Raises KeyError for one that has none."""
    return {name: role for role, names in ROLES.items() for name in names}[stage]


def as_process(spec: JobSpec, surroundings: Mapping[str, str]) -> ProcessCall:
    """The job as a child of a process whose environment is `surroundings`."""
    inherited = {name: value for name, value in surroundings.items() if not name.startswith(_HIDDEN)}
    argv = (sys.executable, *_command(spec))
    return ProcessCall(argv, {**inherited, **_own(spec)}, spec.memory_mb, spec.timeout_seconds)


def as_container(spec: JobSpec, name: str, surroundings: Mapping[str, str]) -> ContainerCall:
    """The job as a container; `surroundings` is the environment of whoever starts it."""
    given: dict[str, str] = {}
    for prefix in (f"{_GIVEN}_", f"{_GIVEN}{role_of(spec.stage).upper()}__"):
        given |= {
            key.removeprefix(prefix): text for key, text in surroundings.items() if key.startswith(prefix)
        }
    return ContainerCall(
        name,
        ("python", *_command(spec)),
        {**given, **_own(spec)},
        spec.memory_mb,
        spec.timeout_seconds,
        spec.gpus,
        spec.cpus,
        spec.shm_mb,
    )


def _command(spec: JobSpec) -> tuple[str, ...]:
    return ("-m", "tasks", spec.stage, *spec.argv)


def _own(spec: JobSpec) -> dict[str, str]:
    """Variables that follow from the job: the same wherever it runs. Idle threads sleep instead of spinning."""
    threads = {"OMP_NUM_THREADS": str(spec.cpus), "OMP_WAIT_POLICY": "PASSIVE"}
    return {**threads, **({} if spec.gpus else _NO_GPU), **spec.env}


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
