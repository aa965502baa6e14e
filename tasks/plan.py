"""Refuse what can be refused before anything is spent, open the run in MLflow, and say what will run.

    python -m tasks plan --config PROFILE [--set KEY=VALUE ...] --run-id ID --store URI [--conf JSON]

`--conf` is a filled trigger form (`tasks/form.py`); its profile and values come before those of `--set`. The last line
on stdout is the plan: parent run, overrides, checkpoints and cells, which the DAG maps its tasks over, and what all of it
will cost (`tasks/forecast.py`). A plan made again for the same run id finds the same parent run.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.config import RunConfig
from tasks.errors import BadInput
from tasks.forecast import forecast
from tasks.form import read_form
from tasks.method.arms import ARMS
from tasks.pipeline import training_jobs
from tasks.profiles import load_config
from tasks.store import Store, open_store
from tasks.store.artifacts import MANIFEST, read_manifest, split_address
from tasks.tracking.server import as_stage_errors

_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


def main(argv: Sequence[str]) -> int:
    """Print the plan as one JSON line. Raises BadInput (exit 64)."""
    parser = argparse.ArgumentParser(prog="python -m tasks plan", description=__doc__)
    parser.add_argument("--config", default="demo", help="profile name, or a YAML/JSON file")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--run-id", required=True, help="names the run; the same id finds the same run again")
    parser.add_argument("--store", required=True, help="file:///path or s3://bucket/prefix")
    parser.add_argument("--conf", default="{}", help="a filled trigger form as JSON")
    arguments = parser.parse_args(argv)
    conf = read_conf(arguments.conf)
    profile, overrides = read_form({"profile": arguments.config, **conf})
    overrides += arguments.set
    config = load_config(profile, overrides)
    check(config)
    store = open_store(arguments.store)
    plan = make_plan(config, profile, overrides, arguments.run_id, store)
    print(json.dumps(plan, sort_keys=True), flush=True)
    return 0


def check(config: RunConfig) -> None:
    """What the configuration tree cannot know by itself. Raises BadInput naming the key."""
    check_model(config.model.source, config.model.revision)
    if config.data.source != "stepcode" and not Path(config.data.source).is_file():
        raise BadInput(
            "data.source", f"{config.data.source!r} is no file", "stepcode, or a .jsonl or .parquet file"
        )
    if config.baseline.checkpoints > config.baseline.steps:
        raise BadInput(
            "baseline.checkpoints",
            f"{config.baseline.checkpoints} is too many",
            f"at most {config.baseline.steps}",
        )
    _check_difficulties(config)


def _seeds(config: RunConfig, arm: str) -> int:
    return min(config.arms.long_seeds, config.arms.n_seeds) if arm == "rl_long" else config.arms.n_seeds


def make_plan(
    config: RunConfig, profile: str, overrides: Sequence[str], run_id: str, store: Store
) -> dict[str, Any]:
    """The plan. Without an arm that needs a PRM there are no checkpoints to sample and no PRM is fitted."""
    cells, checkpoints = list_cells(config)
    with as_stage_errors():
        champion = champion_policy()
        labels_before = previous_labels() if checkpoints else []
    expected = forecast(store, config, training_jobs(cells, checkpoints, champion is not None))
    for cell in cells:
        cell["done"] = f"train_policy {cell['label']}" in expected.done
    summary = expected.text()
    print(f"plan: profile {profile}, {summary}", file=sys.stderr)
    with as_stage_errors():
        parent, experiment = open_parent(
            config, run_id, [str(cell["label"]) for cell in cells], summary=summary
        )
    return {
        "stage": "plan",
        "profile": profile,
        "overrides": list(overrides),
        "checkpoints": checkpoints,
        "cells": cells,
        "champion": champion,
        "previous_labels": [{"artifact": address} for address in labels_before],
        "summary": summary,
        "expected_seconds": round(expected.seconds),
        "budget_seconds": 60 * config.budget.job_minutes,
        "parent_run_id": parent,
        "experiment_id": experiment,
    }


def list_cells(config: RunConfig) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The cells (arms x seeds) and the baseline's checkpoints that will be sampled and labelled."""
    cells: list[dict[str, Any]] = [
        {"arm": arm, "seed": seed, "label": f"{arm}/seed{seed}", "needs_prm": ARMS[arm].needs_prm}
        for arm in config.arms.arms
        for seed in range(_seeds(config, arm))
    ]
    count = config.baseline.checkpoints if any(cell["needs_prm"] for cell in cells) else 0
    return cells, [
        {"checkpoint": number, "label": f"checkpoint {number}/{count}"} for number in range(1, count + 1)
    ]


def champion_policy() -> str | None:
    """Address of the present champion's policy, if there is one that the store still has. Raises ServerDown or Refused."""
    from tasks.tracking.registry import POLICY_MODEL, Registry
    from tasks.tracking.server import configured_server

    server = configured_server()
    champion = Registry(server).by_alias(POLICY_MODEL, "champion") if server else None
    return champion.tags["artifact"] if champion and _is_there(champion.tags["artifact"]) else None


def previous_labels() -> list[str]:
    """Addresses of the labels that the champion's PRM was fitted on, those that the store still has: the version before
    this run's. Raises ServerDown or Refused."""
    from tasks.tracking.registry import PRM_MODEL, Registry
    from tasks.tracking.server import configured_server

    server = configured_server()
    champion = Registry(server).by_alias(PRM_MODEL, "champion") if server else None
    if champion is None or not _is_there(champion.tags["artifact"]):
        return []
    root, key = split_address(champion.tags["artifact"])
    labels = read_manifest(open_store(root), key)["input_artifacts"]["labels"]
    return [address for address in labels if _is_there(address)]


def _is_there(address: str) -> bool:
    root, key = split_address(address)
    return open_store(root).exists(f"{key}/{MANIFEST}")


def open_parent(
    config: RunConfig, run_id: str, labels: Sequence[str], dag: str = "psgpo_train", summary: str = ""
) -> tuple[str, str]:
    """Ids of the parent run and its experiment; both empty when tracking is off. `summary`: what was planned."""
    from tasks.tracking.delivery import experiment_id
    from tasks.tracking.mlflow_runs import EXPERIMENT, EXPERIMENT_VARIABLE
    from tasks.tracking.parents import open_parent_run
    from tasks.tracking.server import configured_server

    server = configured_server()
    if server is None:
        return "", ""
    revision = os.environ.get("PSGPO_REVISION", "")
    tags = {"profile": config.profile, "airflow.run_id": run_id, "revision": revision}
    note = [f"**Profile** `{config.profile}`  **Cells** {', '.join(labels)}"]
    if summary:
        note.append(f"**Plan** {summary}")
    if airflow := os.environ.get("PSGPO_AIRFLOW_UI"):
        note.append(f"**Airflow** [{run_id}]({airflow}/dags/{dag}/runs/{run_id})")
    if revision:
        note.append(f"**Revision** `{revision}`")
    parameters = config.model_dump(mode="json", exclude={"cell"})
    parent = open_parent_run(run_id, run_id, parameters, tags, "\n\n".join(note))
    return parent, experiment_id(server, os.environ.get(EXPERIMENT_VARIABLE) or EXPERIMENT)


def read_conf(text: str) -> dict[str, Any]:
    try:
        conf = json.loads(text)
    except ValueError as error:
        raise BadInput("--conf", f"is not JSON: {error}") from error
    if not isinstance(conf, dict):
        raise BadInput("--conf", "is not a mapping", "parameter names and their values")
    return conf


def check_model(source: str, revision: str) -> str:
    """The revision that a hub id stands for now; empty for a folder. Raises BadInput for what cannot be loaded."""
    folder = Path(source).expanduser()
    if source == "tiny":
        return ""
    if folder.is_dir():
        for needed in ("config.json", "tokenizer_config.json", "*.safetensors"):
            if not any(folder.glob(needed)):
                raise BadInput(
                    "model.source", f"{source!r} holds no {needed}", "a checkpoint with safetensors weights"
                )
        return ""
    if source.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(source):
        raise BadInput(
            "model.source", f"{source!r} does not exist", "tiny, a folder, or a hub id such as NAME/MODEL"
        )
    from huggingface_hub import hf_hub_download

    try:
        found = hf_hub_download(source, "config.json", revision=revision or None)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BadInput(
            "model.source", f"{source!r} is no folder and not to be had from the hub: {reason}"
        ) from error
    return Path(found).parent.name  # the hub's cache keeps a snapshot by its commit


def _check_difficulties(config: RunConfig) -> None:
    ranges = {
        name: (part.difficulty_min, part.difficulty_max)
        for name, part in (("ppo", config.ppo), ("baseline", config.baseline), ("sample", config.sample))
    }
    for name, (low, high) in ranges.items():
        if low > high:
            raise BadInput(
                f"{name}.difficulty_min", f"{low} exceeds difficulty_max {high}", f"at most {high}"
            )
        if config.data.source == "stepcode" and (high < config.data.steps_min or low > config.data.steps_max):
            raise BadInput(
                f"{name}.difficulty_min",
                f"no training problem has difficulty {low} to {high}",
                f"a range that meets data.steps, {config.data.steps_min} to {config.data.steps_max}",
            )
