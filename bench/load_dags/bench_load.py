"""DAGs of nothing, for `python -m bench pipeline`: many mapped cells, and one that is queued many times."""

from __future__ import annotations

import os
import sys

from airflow.sdk import dag, task

from tasks.job_process import JobProcess
from tasks.jobs import ProcessCall

LIMIT_MB, LIMIT_SECONDS = 500, 60.0


def _trivial_job() -> int:
    """A job as the pipeline runs its own, that does nothing; what it answered."""
    argv = (sys.executable, "-c", "print('{\"done\": 1}')")
    outcome = JobProcess(ProcessCall(argv, dict(os.environ), LIMIT_MB, LIMIT_SECONDS)).run(lambda line: None)
    if outcome.envelope is None:
        raise RuntimeError(f"ended with {outcome.code}")
    return int(outcome.envelope["done"])


@dag(schedule=None, catchup=False, params={"cells": 200})
def bench_cells() -> None:
    @task
    def listed(params: dict[str, int]) -> list[int]:
        return list(range(params["cells"]))

    @task(pool="jobs")
    def cell(number: int) -> int:
        return _trivial_job()

    @task
    def counted(done: list[int], params: dict[str, int]) -> None:
        found = sum(done)
        if found != params["cells"]:
            raise RuntimeError(f"{found} cells of {params['cells']} have answered")

    counted(done=cell.expand(number=listed()))


@dag(schedule=None, catchup=False, max_active_runs=1)
def bench_queue() -> None:
    @task(pool="jobs")
    def one() -> int:
        return _trivial_job()

    one()


bench_cells()
bench_queue()
