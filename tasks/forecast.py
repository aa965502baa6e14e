"""What a run will cost before it is started: which jobs are done already, how long the others will take.

A job is done when its artifact is in the store. Its digest follows from its settings and from the content of its inputs,
so the lookup goes down the pipeline as far as everything above is done, too. A job whose inputs are not made yet counts
as to be run, also where it will turn out to be done.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.config import RunConfig
from tasks.costs import Costs, read_costs
from tasks.pipeline import GPU_STAGES, PlannedJob
from tasks.stages.stage import RestrictedConfig, Stage, identity_of
from tasks.store import Store, digest_of
from tasks.store.artifacts import artifact_key, read_manifest

SLOTS_VARIABLE = "PSGPO_SLOTS"
STARTING_SECONDS = 4.0
"""What a job costs beside its stage: Airflow's task, a new process, imports."""
_QUICK = ("report", "promote")


@dataclass(frozen=True)
class Forecast:
    """`seconds` is wall time with `slots` jobs at once; `done` names the jobs that are in the store already."""

    jobs: int
    cells: int
    cells_to_run: int
    seconds: float
    gpu_hours: float
    completions: int
    done: frozenset[str]
    job_seconds: Mapping[str, float]
    """Seconds of each job by its name; those that are done only start."""

    def text(self) -> str:
        """One line for people."""
        left = f"{self.cells_to_run} of {self.cells} cells, {self.jobs - len(self.done)} of {self.jobs} jobs to run"
        return f"{left}, about {told(self.seconds)} / {self.gpu_hours:.1f} GPU-h, {self.completions:,} completions"


def forecast(store: Store, config: RunConfig, jobs: Sequence[PlannedJob]) -> Forecast:
    """`jobs` in an order in which they could run."""
    done = find_done(store, config, jobs)
    costs = read_costs(store)
    seconds = {job.name: STARTING_SECONDS + _seconds(costs, config, job, done) for job in jobs}
    to_run = [job for job in jobs if job.name not in done]
    completions = sum(
        costs.completions(job.config(config).model_dump(mode="json"))
        for job in to_run
        if job.stage == "label_prefixes"
    )
    gpu_seconds = sum(seconds[job.name] for job in to_run if job.stage in GPU_STAGES) if has_gpu() else 0.0
    return Forecast(
        jobs=len(jobs),
        cells=sum(job.trains_a_cell for job in jobs),
        cells_to_run=sum(job.trains_a_cell for job in to_run),
        seconds=wall_seconds(jobs, seconds, job_slots()),
        gpu_hours=gpu_seconds / 3600,
        completions=round(completions),
        done=done,
        job_seconds=seconds,
    )


def find_done(store: Store, config: RunConfig, jobs: Sequence[PlannedJob]) -> frozenset[str]:
    """Names of the jobs whose artifacts are in the store."""
    contents: dict[str, str] = {}
    for job in jobs:
        made = [[contents.get(name) for name in names] for names in job.inputs.values()]
        if job.stage in _QUICK or any(content is None for group in made for content in group):
            continue
        given = {name: [str(one) for one in group] for name, group in zip(job.inputs, made, strict=True)}
        if content := _find(store, job.config(config), job.stage, given):
            contents[job.name] = content
    return frozenset(contents)


def _find(
    store: Store, config: RunConfig, stage_name: str, contents: Mapping[str, Sequence[str]]
) -> str | None:
    """Content hash of the artifact that the stage would make, if it is there."""
    stage: Stage = importlib.import_module(f"tasks.stages.{stage_name}").STAGE
    identity = identity_of(stage, RestrictedConfig(config, stage.sections), contents)
    try:
        return str(read_manifest(store, artifact_key(stage.kind, digest_of(identity)))["content"])
    except FileNotFoundError:
        return None


def _seconds(costs: Costs, config: RunConfig, job: PlannedJob, done: frozenset[str]) -> float:
    return 0.0 if job.name in done else costs.seconds(job.stage, job.config(config).model_dump(mode="json"))


def wall_seconds(jobs: Sequence[PlannedJob], seconds: Mapping[str, float], slots: int) -> float:
    """When the last job ends if `slots` run at once and those that come first in `jobs` go first."""
    ends: dict[str, float] = {}
    free = [0.0] * slots
    waiting = list(jobs)
    while waiting:
        ready = [job for job in waiting if all(name in ends for name in _needs(job))]
        # whoever can begin earliest, the order deciding between equals
        job = min(ready, key=lambda one: max(min(free), *[ends[name] for name in _needs(one)], 0.0))
        slot = free.index(min(free))
        begin = max(free[slot], *[ends[name] for name in _needs(job)], 0.0)
        ends[job.name] = free[slot] = begin + seconds[job.name]
        waiting.remove(job)
    return max(ends.values(), default=0.0)


def _needs(job: PlannedJob) -> Iterator[str]:
    for names in job.inputs.values():
        yield from names


def job_slots() -> int:
    """Jobs that run at once, as the deployment says; 1 where it says nothing."""
    return max(1, int(os.environ.get(SLOTS_VARIABLE) or 1))


def has_gpu() -> bool:
    return os.environ.get("CUDA_VISIBLE_DEVICES") != "" and Path("/dev/nvidiactl").exists()


def told(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"
