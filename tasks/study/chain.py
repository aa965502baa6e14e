"""The jobs of a setting, looked up in the store or run: the same stages, command lines and digests as `psgpo_train`'s.

A setting's foundation is everything up to its PRM, once; its cells are an arm with a seed, trained and evaluated, with
the arm's own overrides. What the store has is not run again, whichever run or setting made it.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.config import RunConfig
from tasks.errors import EXIT_BAD_INPUT, EXIT_TRY_AGAIN, BadInput, TryAgain
from tasks.jobs import stage_arguments
from tasks.method.arms import ARMS
from tasks.pipeline import PlannedJob, training_jobs
from tasks.stages.stage import RestrictedConfig, Stage, identity_of
from tasks.store import Store, digest_of
from tasks.store.artifacts import MANIFEST, artifact_key, read_manifest
from tasks.store.stores import Reader
from tasks.study.settings import MAIN, Setting, Study, load_study

CHECKED_ARM = "psgpo"
"""The PRM is also measured on programs of this arm's first seed."""
FIT_PRM, CHECK_PRM = "fit_prm", "check_prm"
_LEFT_OUT = ("report", "promote", CHECK_PRM)


@dataclass(frozen=True)
class Made:
    """A finished job."""

    address: str
    manifest: Mapping[str, Any]

    @property
    def content(self) -> str:
        return str(self.manifest["content"])

    @property
    def key(self) -> str:
        """Its place in the store, wherever the store is."""
        return "/".join(self.address.split("/")[-3:])


@dataclass(frozen=True)
class Cell:
    """`replicate`: which run of the whole chain it belongs to (tasks/study/records.py), told apart in reports alone."""

    setting: str
    arm: str
    seed: int
    replicate: int = 1

    @property
    def label(self) -> str:
        return f"{self.setting}/{self.arm}/seed{self.seed}"


def cells_of(name: str, setting: Setting) -> list[Cell]:
    return [Cell(name, arm, seed) for arm, seeds in setting.arms.items() for seed in range(seeds)]


def foundation(setting: Setting, config: RunConfig) -> list[PlannedJob]:
    """Everything that a setting's cells share, in an order in which it can run; no PRM where no arm needs one."""
    shared = any(ARMS[arm].needs_prm for arm in setting.arms)
    count = config.baseline.checkpoints if shared else 0
    checkpoints = [{"label": f"checkpoint {number}/{count}"} for number in range(1, count + 1)]
    return [job for job in training_jobs([], checkpoints) if job.stage not in _LEFT_OUT]


def foreign_prms(study: Study, store: Reader) -> dict[str, Made]:
    """The PRMs of other studies that `study` wants measured, as far as the store has them, by "STUDY: fit_prm".

    A PRM is the same in both phases, and a frozen study must not wait for the others' protocols: theirs is looked up in
    development.
    """
    found = {}
    for name in study.also_checked:
        other = load_study(name)
        config = other.config(MAIN, "development")
        made = find(store, config, foundation(other.settings[MAIN], config))
        if FIT_PRM in made:
            found[f"{name}: {FIT_PRM}"] = made[FIT_PRM]
    return found


def cell_jobs(cell: Cell, foreign: Iterable[str] = ()) -> list[PlannedJob]:
    """Train, evaluate, and for one cell of a setting the check of the PRM on the policy it trained.

    For one of the main setting, the `foreign` PRMs are checked, too.
    """
    label = f"{cell.arm}/seed{cell.seed}"
    needs_prm = ARMS[cell.arm].needs_prm
    planned = {"arm": cell.arm, "seed": cell.seed, "label": label, "needs_prm": needs_prm}
    own = {f"train_policy {label}", f"evaluate {label}"}
    jobs = [job for job in training_jobs([planned], []) if job.name in own]
    if cell.arm == CHECKED_ARM and cell.seed == 0:
        about = {"problems": ("prepare_problems",), "policies": (f"train_policy {label}",)}
        for prm in (FIT_PRM, *(foreign if cell.setting == MAIN else ())):
            name = prm.replace(FIT_PRM, CHECK_PRM)
            jobs.append(PlannedJob(name, CHECK_PRM, {**about, "prm": (prm,)}))
    return jobs


def find(
    store: Reader, config: RunConfig, jobs: Sequence[PlannedJob], known: Mapping[str, Made] | None = None
) -> dict[str, Made]:
    """What the store has of `jobs`, and what is `known`, by name; a job whose inputs are not made is not looked for."""
    made = dict(known or {})
    for job in jobs:
        if all(name in made for name in _needs(job)) and (found := _find(store, config, job, made)):
            made[job.name] = found
    return made


@dataclass(frozen=True)
class Place:
    """Whose configuration jobs are run with: a setting's foundation, or one of its arms."""

    study: Study
    setting: str
    phase: str
    arm: str = ""

    def config(self) -> RunConfig:
        return self.study.config(self.setting, self.phase, self.arm)

    def overrides(self) -> list[str]:
        return self.study.overrides(self.setting, self.phase, self.arm)


def run(
    place: Place, jobs: Sequence[PlannedJob], store: Store, known: Mapping[str, Made] | None = None
) -> tuple[dict[str, Made], float]:
    """What is `known` and all of `jobs`, and the seconds computed."""
    config, overrides = place.config(), place.overrides()
    made = dict(known or {})
    seconds = 0.0
    for job in jobs:
        found = _find(store, config, job, made)
        if found is None:
            inputs = {name: tuple(made[one].address for one in names) for name, names in job.inputs.items()}
            cell = [f"cell.{key}={value}" for key, value in job.cell.items()]
            arguments = stage_arguments(
                config=place.study.profile,
                overrides=(*overrides, *cell),
                inputs=inputs,
                store=store.uri,
                label=f"{place.setting}: {job.name}",
            )
            envelope = _run_stage(job.stage, arguments)
            seconds += 0.0 if envelope["cached"] else float(envelope["seconds"])
            found = _found(store, str(envelope["artifact"]).removeprefix(f"{store.uri}/"))
        made[job.name] = found
    return made, seconds


def _run_stage(stage: str, arguments: Sequence[str]) -> dict[str, Any]:
    """A process of its own, as in every job; its log goes on to this job's. Raises what its exit code stands for."""
    command = [sys.executable, "-m", "tasks", stage, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == EXIT_BAD_INPUT:
        raise BadInput(stage, "was refused; its last line says why")
    if done.returncode == EXIT_TRY_AGAIN:
        raise TryAgain(f"{stage} was stopped")
    done.check_returncode()
    envelope: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return envelope


def _find(store: Reader, config: RunConfig, job: PlannedJob, made: Mapping[str, Made]) -> Made | None:
    stage: Stage = importlib.import_module(f"tasks.stages.{job.stage}").STAGE
    contents = {name: [made[one].content for one in names] for name, names in job.inputs.items()}
    identity = identity_of(stage, RestrictedConfig(job.config(config), stage.sections), contents)
    key = artifact_key(stage.kind, digest_of(identity))
    return _found(store, key) if store.exists(f"{key}/{MANIFEST}") else None


def _found(store: Reader, key: str) -> Made:
    return Made(f"{store.uri}/{key}", read_manifest(store, key))


def _needs(job: PlannedJob) -> Iterator[str]:
    for names in job.inputs.values():
        yield from names
