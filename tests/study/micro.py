"""The study of `micro.yaml`, and how tests run it."""

from __future__ import annotations

import csv
import io
import json
from contextlib import redirect_stdout
from pathlib import Path

from tasks.study import command

MICRO = Path(__file__).with_name("micro.yaml")
CELLS = {
    ("main", "rl"): 2,
    ("main", "fraction_of_tests"): 2,
    ("main", "psgpo"): 1,
    ("more_kl", "rl"): 2,
    ("less_data", "psgpo"): 1,
}
GRID = ("tune_low", "tune_high")


def run_here(stage, arguments):
    """The stage in this process: the same command line, without importing torch again for each."""
    import importlib

    from tasks.stages.stage import parse_job, run_stage

    return run_stage(importlib.import_module(f"tasks.stages.{stage}").STAGE, parse_job(stage, "", arguments))


def call(*arguments) -> dict:
    with redirect_stdout(io.StringIO()) as out:
        assert command.main([str(one) for one in arguments]) == 0
    return json.loads(out.getvalue().splitlines()[-1])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))
