"""What `make demo` prints at the end: the arms, the seconds, the addresses; or why the run failed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.display import clock
from infra.local.environment import JOB_SLOTS
from infra.local.following import DAG, Follower, name_of
from infra.local.settings import Settings


@dataclass(frozen=True)
class Spent:
    """A task's instances: how many, their wall seconds from start to end, and those in which a stage computed."""

    jobs: int
    seconds: float
    computing: float
    cached: int


def results_table(results: Mapping[str, Any]) -> Iterator[str]:
    """pass@1 per arm from the report's `results.json`."""
    yield f"{'arm':18} {'pass@1':>7}  {'95 % interval':15} {'per seed':20} {'updates':>7} {'CPU s':>7} {'with PRM':>9}"
    if results["sft_pass_at_1"] is not None:
        yield f"{'(SFT, start)':18} {results['sft_pass_at_1']:7.3f}"
    for arm in results["arms"]:
        interval = f"{arm['low']:.3f} to {arm['high']:.3f}"
        seeds = " ".join(f"{value:.3f}" for value in arm["per_seed"])
        costs = f"{arm['steps']:7d} {arm['cpu_seconds']:7.0f} {arm['total_cpu_seconds']:9.0f}"
        yield f"{arm['arm']:18} {arm['pass_at_1']:7.3f}  {interval:15} {seeds:20} {costs}"
    yield f"\n{results['conclusion']}"


def spent_by_task(follower: Follower) -> dict[str, Spent]:
    """By task id, in the order in which they began. Tasks that were skipped are left out."""
    spent: dict[str, Spent] = {}
    instances = [one for one in follower.instances() if one["state"] == "success" and one["duration"]]
    for instance in sorted(instances, key=lambda one: one["start_date"]):
        task = instance["task_id"]
        envelope = follower.api.xcom(DAG, follower.run_id, task, instance["map_index"])
        stage = (
            envelope
            if isinstance(envelope, dict) and "cached" in envelope
            else {"cached": False, "seconds": 0}
        )
        before = spent.get(task, Spent(0, 0, 0, 0))
        spent[task] = Spent(
            before.jobs + 1,
            before.seconds + instance["duration"],
            before.computing + (0 if stage["cached"] else stage["seconds"]),
            before.cached + stage["cached"],
        )
    return spent


def seconds_table(spent: Mapping[str, Spent], stack_seconds: float, wall_seconds: float) -> Iterator[str]:
    """Seconds per stage, and what starting things up took of the whole."""
    yield f"{'task':28} {'jobs':>4} {'seconds':>8} {'computing':>10} {'cached':>7}"
    for task, one in spent.items():
        yield f"{task:28} {one.jobs:4d} {one.seconds:8.1f} {one.computing:10.1f} {one.cached or '':>7}"
    starting = sum(one.seconds - one.computing for one in spent.values()) / JOB_SLOTS
    share = (stack_seconds + starting) / wall_seconds
    yield (
        f"\n{clock(wall_seconds)} in all; start-up {share:.0%} of it: Airflow and MLflow {stack_seconds:.0f} s, "
        f"processes {starting:.0f} s ({JOB_SLOTS} at a time)"
    )


_VIEW = "?workflowType=machine_learning"  # else MLflow shows its pages for language model applications


def addresses(settings: Settings, run_id: str, plan: Mapping[str, Any], report: Path | None) -> Iterator[str]:
    yield f"Airflow run        {settings.airflow_uri}/dags/{DAG}/runs/{run_id}"
    runs = f"{settings.mlflow_uri}/#/experiments/{plan['experiment_id']}/runs"
    yield f"MLflow experiment  {runs}{_VIEW}"
    yield f"MLflow run         {runs}/{plan['parent_run_id']}{_VIEW}"
    if report is not None:
        yield f"Report             {report}"


def failures(follower: Follower, instances: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The failed tasks and the ends of their logs."""
    for instance in instances:
        if instance["state"] == "failed":
            yield f"\nfailed: {name_of(instance)} (try {instance['try_number']}); the end of its log:"
            yield from (f"  {line}" for line in follower.log_tail(instance))


def report_folder(artifact: str) -> Path:
    """Where the embedded store keeps the report."""
    return Path(artifact.removeprefix("file://"))


def read_results(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text())
