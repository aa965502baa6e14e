"""The jobs of one run of `psgpo_train`, as the plan knows them before anything runs.

The DAG wires the same jobs (a test holds the two together); here they are data, so that the plan can look up in the
store which of them are done already and say what the others will cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.config import RunConfig, validate_config

GPU_STAGES = (
    "sft",
    "train_policy",
    "sample_responses",
    "label_prefixes",
    "fit_prm",
    "check_prm",
    "evaluate",
)


@dataclass(frozen=True)
class PlannedJob:
    """One job: `inputs` names, by input of its stage, the jobs that make them; `cell` is its place in the run."""

    name: str
    stage: str
    inputs: Mapping[str, tuple[str, ...]]
    cell: Mapping[str, Any] = field(default_factory=dict)

    @property
    def trains_a_cell(self) -> bool:
        return self.stage == "train_policy" and self.cell.get("arm") != "baseline"

    def config(self, config: RunConfig) -> RunConfig:
        """The run's configuration as this job sees it."""
        return validate_config({**config.model_dump(), "cell": dict(self.cell)}) if self.cell else config


def training_jobs(
    cells: Sequence[Mapping[str, Any]],
    checkpoints: Sequence[Mapping[str, Any]],
    has_champion: bool = False,
) -> list[PlannedJob]:
    """In an order in which they could run, those that the others wait for first. A champion is evaluated beside the arms."""
    start = {"problems": ("prepare_problems",), "sft": ("sft",)}
    jobs = [
        PlannedJob("prepare_problems", "prepare_problems", {}),
        PlannedJob("validate_problems", "validate", {"subject": ("prepare_problems",)}),
        PlannedJob("prepare_model", "prepare_model", {"problems": ("prepare_problems",)}),
        PlannedJob("sft", "sft", {"problems": ("prepare_problems",), "model": ("prepare_model",)}),
    ]
    if checkpoints:
        jobs += _supervision(start, [str(one["label"]) for one in checkpoints])
    jobs.append(_evaluation("evaluate_sft", "sft", {"arm": "sft"}))
    for cell in cells:
        jobs += _arm(start, cell)
    if checkpoints:
        trained = tuple(f"train_policy {cell['label']}" for cell in cells if cell["needs_prm"])
        about = {"problems": start["problems"], "policies": trained, "prm": ("fit_prm",)}
        jobs.append(PlannedJob("check_prm", "check_prm", about))
    scores = tuple(job.name for job in jobs if job.stage == "evaluate")
    policies = tuple(job.name for job in jobs if job.stage == "train_policy")
    jobs.append(PlannedJob("validate_scores", "validate", {"subject": scores}))
    # what these two make is quick and follows from the rest: their other inputs are left out
    jobs.append(PlannedJob("report", "report", {"scores": scores, "policies": policies}))
    if has_champion:
        problems = {"problems": ("prepare_problems",)}
        jobs.append(PlannedJob("evaluate champion", "evaluate", problems, {"model": "champion"}))
    jobs.append(PlannedJob("promote", "promote", {"report": ("report",)}))
    return jobs


def _supervision(start: Mapping[str, tuple[str, ...]], labels: Sequence[str]) -> Iterator[PlannedJob]:
    yield PlannedJob("baseline", "train_policy", start, {"arm": "baseline"})
    for number, label in enumerate(labels, start=1):
        cell = {"checkpoint": number}
        source = {**start, "policy": ("baseline",)}
        yield PlannedJob(f"sample_responses {label}", "sample_responses", source, cell)
        about = {**source, "responses": (f"sample_responses {label}",)}
        yield PlannedJob(f"label_prefixes {label}", "label_prefixes", about, cell)
    labelled = tuple(f"label_prefixes {label}" for label in labels)
    yield PlannedJob("validate_labels", "validate", {"subject": labelled})
    yield PlannedJob("fit_prm", "fit_prm", {**start, "labels": labelled, "policy": ("baseline",)})


def _arm(start: Mapping[str, tuple[str, ...]], cell: Mapping[str, Any]) -> Iterator[PlannedJob]:
    place = {"arm": cell["arm"], "seed": cell["seed"]}
    prm = {"prm": ("fit_prm",)} if cell["needs_prm"] else {}
    yield PlannedJob(f"train_policy {cell['label']}", "train_policy", {**start, **prm}, place)
    yield _evaluation(f"evaluate {cell['label']}", f"train_policy {cell['label']}", place)


def _evaluation(name: str, policy: str, cell: Mapping[str, Any]) -> PlannedJob:
    return PlannedJob(name, "evaluate", {"problems": ("prepare_problems",), "policy": (policy,)}, cell)
