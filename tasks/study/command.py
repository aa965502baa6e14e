"""The study's jobs, as `psgpo_study` runs them, and its report:

    python -m tasks study plan       --run-id ID --store URI [--conf JSON]
    python -m tasks study foundation --study NAME --phase PHASE --setting NAME --store URI
    python -m tasks study cell       --study NAME --phase PHASE --setting NAME --arm ARM --seed N --store URI
    python -m tasks study report     --study NAME --phase PHASE --store URI --output FOLDER

The last line on stdout of the first three is the plan or an envelope; exit codes are the stages'.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tasks.errors import BadInput
from tasks.plan import check, open_parent, read_conf
from tasks.store import Store, open_store
from tasks.study.chain import Cell, Made, Place, cell_jobs, cells_of, find, foreign_prms, foundation, run
from tasks.study.settings import Study, load_study
from tasks.tracking.server import as_stage_errors

FORM = {
    "study": "lists",
    "phase": "development",
    "settings": [],
    "arms": [],
    "n_seeds": 0,
    "job_minutes": 0,
}
"""Fields of the trigger form. `settings` and `arms` empty: all; `n_seeds` and `job_minutes` 0: no limit."""


def main(argv: Sequence[str]) -> int:
    """Raises BadInput (exit 64) and TryAgain (exit 75)."""
    parser = argparse.ArgumentParser(prog="python -m tasks study", description=__doc__)
    parser.add_argument("what", choices=("plan", "foundation", "cell", "report"))
    parser.add_argument("--study", default="lists", help="name, or a YAML file")
    parser.add_argument("--phase", default="development")
    parser.add_argument("--setting", default="main")
    parser.add_argument("--arm", default="")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--store", required=True, help="file:///path or s3://bucket/prefix")
    parser.add_argument(
        "--run-id", default="study", help="names the run; the same id finds the same run again"
    )
    parser.add_argument("--conf", default="{}", help="a filled trigger form as JSON")
    parser.add_argument("--output", type=Path, default=Path("docs/study"))
    given = parser.parse_args(argv)
    store = open_store(given.store)
    if given.what == "plan":
        told = make_plan(read_conf(given.conf), given.run_id, store)
    elif given.what == "report":
        return _report(given, store)
    else:
        told = _run(given, load_study(given.study), store)
    print(json.dumps(told, sort_keys=True), flush=True)
    return 0


def make_plan(conf: dict[str, Any], run_id: str, store: Store) -> dict[str, Any]:
    """The settings whose foundations, and the cells that this run will make. Raises BadInput for a wrong form."""
    unknown = sorted(set(conf) - set(FORM))
    if unknown:
        raise BadInput(f"parameter {unknown[0]!r}", "is unknown", ", ".join(FORM))
    form = {**FORM, **{name: value for name, value in conf.items() if value not in (None, "")}}
    study, phase = load_study(form["study"]), form["phase"]
    names = form["settings"] or list(study.of_phase(phase))
    for name in names:
        check(study.config(name, phase))
    arms = study.chosen_arms(form["arms"], names)
    cells: list[dict[str, Any]] = []
    foreign = foreign_prms(study, store)
    for name in names:
        planned = _planned(name, study, phase, store, foreign, form["n_seeds"])
        cells += [cell for cell in planned if cell["arm"] in arms]
    done = sum(cell["done"] for cell in cells)
    summary = f"study {study.name}, {phase}: {len(cells) - done} of {len(cells)} cells to run"
    print(f"plan: {summary}", file=sys.stderr)
    first = study.config(names[0], phase)
    with as_stage_errors():
        parent, experiment = open_parent(
            first, run_id, [cell["label"] for cell in cells], "psgpo_study", summary
        )
    return {
        "stage": "study",
        "study": form["study"],
        "phase": phase,
        "foundations": [{"label": name, "setting": name, "done": False} for name in names],
        "cells": cells,
        "summary": summary,
        "budget_seconds": 60 * float(form["job_minutes"]),
        "parent_run_id": parent,
        "experiment_id": experiment,
    }


def _planned(
    name: str, study: Study, phase: str, store: Store, foreign: Mapping[str, Made], n_seeds: int
) -> list[dict[str, Any]]:
    config, setting = study.config(name, phase), study.settings[name]
    shared = {**find(store, config, foundation(setting, config)), **foreign}
    listed = []
    for cell in cells_of(name, setting):
        if n_seeds and cell.seed >= n_seeds:
            continue
        jobs = cell_jobs(cell, foreign)
        made = find(store, study.config(name, phase, cell.arm), jobs, shared)
        listed.append(
            {
                "label": cell.label,
                "setting": name,
                "arm": cell.arm,
                "seed": cell.seed,
                "done": all(job.name in made for job in jobs),
            }
        )
    return listed


def _run(given: argparse.Namespace, study: Study, store: Store) -> dict[str, Any]:
    """The envelope of a foundation or a cell: its PRM or its score, and what all of it took.

    Raises BadInput for a cell whose foundation has not been run.
    """
    setting = study.settings[given.setting]
    base = Place(study, given.setting, given.phase)
    shared = foundation(setting, base.config())
    if given.what == "foundation":
        made, seconds = run(base, shared, store)
        return _envelope(made[shared[-1].name], seconds)
    if given.arm not in setting.arms:
        raise BadInput("--arm", f"{given.arm!r} is no arm of {given.setting}", ", ".join(setting.arms))
    known = find(store, base.config(), shared)
    for job in shared:
        if job.name not in known:
            raise BadInput(
                f"{given.setting}: {job.name}", "is not in the store", "run the setting's foundation first"
            )
    foreign = foreign_prms(study, store)
    jobs = cell_jobs(Cell(given.setting, given.arm, given.seed), foreign)
    made, seconds = run(replace(base, arm=given.arm), jobs, store, {**known, **foreign})
    return _envelope(made[jobs[1].name], seconds)


def _envelope(made: Made, seconds: float) -> dict[str, Any]:
    return {
        "stage": "study",
        "artifact": made.address,
        "digest": made.address.rsplit("/", 1)[-1],
        "cached": seconds == 0,
        "metrics": made.manifest["metrics"],
        "seconds": seconds,
        "mlflow_run_id": made.manifest["mlflow_run_id"],
    }


def _report(given: argparse.Namespace, store: Store) -> int:
    from tasks.study.records import open_shelves
    from tasks.study.report import write_report
    from tasks.study.results import collect
    from tasks.study.tuning import as_tuned, picks, tried

    study = load_study(given.study)
    folder = given.output / study.name / given.phase
    shelves = open_shelves(store, folder)
    found = collect(study, given.phase, shelves)
    page = write_report(study, given.phase, found, folder)
    for number in found.replicates:
        shelves[number].write()
    told = {
        "page": str(page),
        "cells": found.finished,
        "planned": found.planned,
        "replicates": found.replicates,
        "same_again": sum(len(shelf.again) for shelf in shelves.values()),
        "picked": as_tuned(picks(tried(study, found))),
    }
    print(json.dumps(told), flush=True)
    return 0
