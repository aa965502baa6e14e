"""What the demo shows of a run follows from its jobs and from what Airflow says of them."""

from __future__ import annotations

import pytest

from infra.local.following import Running, name_of, outlook
from tasks.pipeline import PlannedJob

JOBS = [
    PlannedJob("sft", "sft", {}),
    PlannedJob("train_policy rl/seed0", "train_policy", {"sft": ("sft",)}),
    PlannedJob("train_policy rl/seed1", "train_policy", {"sft": ("sft",)}),
    PlannedJob("train_policy rl/seed2", "train_policy", {"sft": ("sft",)}),
]
SECONDS = {"sft": 10.0, **{f"train_policy rl/seed{seed}": 30.0 for seed in range(3)}}


def running(name: str, share: float, left: float | None = None) -> Running:
    return Running(name, share, left, "")


def test_before_anything_runs() -> None:
    assert outlook(JOBS, SECONDS, [], ()) == (0.0, 70.0)  # two slots: sft, two cells, the third


def test_nothing_is_planned_yet() -> None:
    assert outlook([], {}, [], ()) == (0.0, 0.0)


def test_what_ended_is_done_and_what_runs_in_part() -> None:
    share, left = outlook(JOBS, SECONDS, [running("train_policy rl/seed0", 0.5)], {"sft"})
    assert share == pytest.approx(25 / 100)
    assert left == 45.0  # the rest of the first cell and the third one after it, the second beside them


def test_a_running_job_knows_best_how_long_it_will_take() -> None:
    _, left = outlook(JOBS[:2], SECONDS, [running("train_policy rl/seed0", 0.5, left=100.0)], {"sft"})
    assert left == 100.0


def test_running_jobs_hold_their_slots() -> None:
    """Also where others would come first in the order of the jobs."""
    now = [running("train_policy rl/seed1", 0.0), running("train_policy rl/seed2", 0.0)]
    assert outlook(JOBS, SECONDS, now, {"sft"})[1] == 60.0
    assert outlook(JOBS, {**SECONDS, "train_policy rl/seed0": 1.0}, now, {"sft"})[1] == 31.0


def test_all_has_ended_whatever_its_state() -> None:
    assert outlook(JOBS, SECONDS, [], {job.name for job in JOBS}) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("task", "index", "rendered", "name"),
    [
        ("sft", -1, None, "sft"),
        ("arms.train_policy", 1, "rl/seed1", "train_policy rl/seed1"),
        ("arms.train_policy", 1, None, "train_policy 1"),  # Airflow has not rendered it yet
    ],
)
def test_task_instances_are_called_like_jobs(task: str, index: int, rendered: str | None, name: str) -> None:
    assert name_of({"task_id": task, "map_index": index, "rendered_map_index": rendered}) == name
