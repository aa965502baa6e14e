"""`make study`: the stack up, `psgpo_study` triggered and followed. Triggered again it goes on where it stopped.

python -m infra.local.study [--study lists] [--phase development] [--settings a,b] [--arms a,b] [--seeds N] [--minutes M]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from infra.local.airflow_api import AirflowApi
from infra.local.settings import read_settings
from infra.local.stack import StackError, up
from tasks.errors import EXIT_BAD_INPUT, BadInput
from tasks.study.settings import load_study

DAG = "psgpo_study"
_LOOK_EVERY = 10.0
_DAG_SECONDS = 60.0


def main(argv: Sequence[str]) -> int:
    """Returns 0 only if the run succeeded."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.study", description=__doc__)
    parser.add_argument("--study", default="lists")
    parser.add_argument("--phase", default="development")
    parser.add_argument("--settings", default="", help="names, separated by commas; empty: all")
    parser.add_argument("--arms", default="", help="names, separated by commas; empty: all of these settings")
    parser.add_argument("--seeds", type=int, default=0, help="at most so many per arm; 0: all")
    parser.add_argument("--minutes", type=float, default=0, help="of jobs, added up; 0: no limit")
    given = parser.parse_args(argv)
    conf = {
        "study": given.study,
        "phase": given.phase,
        "settings": _names(given.settings),
        "arms": _names(given.arms),
        "n_seeds": given.seeds,
        "job_minutes": given.minutes,
    }
    try:
        study = load_study(given.study)
        names = conf["settings"] or list(study.of_phase(given.phase))
        for name in names:
            study.overrides(name, given.phase)
        study.chosen_arms(conf["arms"], names)
        return _run(study.name, conf)
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _names(given: str) -> list[str]:
    return [name for name in given.split(",") if name]


def _run(name: str, conf: dict[str, Any]) -> int:
    """`name` is the study's own: `conf` may give a file."""
    settings = read_settings()
    api = up(settings, lambda text: print(f"stack: {text}", flush=True))
    deadline = time.monotonic() + _DAG_SECONDS
    while not api.has_dag(DAG):
        if time.monotonic() > deadline:
            raise StackError(f"Airflow does not know the DAG {DAG} after {_DAG_SECONDS:.0f} s")
        time.sleep(0.5)
    run_id = f"{name}-{conf['phase']}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    api.trigger(DAG, run_id, conf)
    print(f"Airflow  {settings.airflow_uri}/dags/{DAG}/runs/{run_id}", flush=True)
    return _follow(api, run_id)


def _follow(api: AirflowApi, run_id: str) -> int:
    last = ""
    while True:
        state = api.run(DAG, run_id)["state"]
        cells = Counter(
            str(one["state"]) for one in api.task_instances(DAG, run_id) if one["task_id"] == "cells.cell"
        )
        told = f"{state}: cells " + (
            ", ".join(f"{n} {name}" for name, n in sorted(cells.items())) or "not begun"
        )
        if told != last:
            print(told, flush=True)
            last = told
        if state in ("success", "failed"):
            return 0 if state == "success" else 1
        time.sleep(_LOOK_EVERY)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
