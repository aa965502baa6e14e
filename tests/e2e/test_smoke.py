"""The whole pipeline from its DAG, on the embedded default: every stage for real, then everything again from the cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.tracking.server import MlflowServer

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[[dict[str, Any]], dict[str, Any]]

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pipeline")


@pytest.fixture(scope="module")
def run(folder: Path, mlflow_server: str) -> Run:
    """Runs the DAG with a trigger's conf, in one Airflow, store and MLflow experiment."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PSGPO_"))},
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": str(ROOT),
        "MLFLOW_TRACKING_URI": mlflow_server,
        "MLFLOW_EXPERIMENT_NAME": "e2e",
        "PSGPO_STORE": f"file://{folder}/store",
        "PSGPO_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
    }

    def run_with(conf: dict[str, Any]) -> dict[str, Any]:
        program = Path(__file__).with_name("run_pipeline.py")
        done = subprocess.run(
            [sys.executable, str(program), json.dumps(conf)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
        )
        (folder / "log").write_text(done.stdout + done.stderr)
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run_with


@pytest.fixture(scope="module")
def smoke(run: Run) -> dict[str, Any]:
    """The one full run (about two minutes)."""
    return run({"profile": "smoke"})


def stages(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Envelopes of stages by task and map index."""
    return {
        f"{task}/{index}": envelope
        for task, index, envelope in result["envelopes"]
        if isinstance(envelope, dict) and "artifact" in envelope
    }


def test_every_task_succeeds(smoke: dict[str, Any]) -> None:
    assert smoke["state"] == "success", smoke["states"]
    assert set(smoke["states"].values()) == {"success"}


def test_arms_and_checkpoints_are_mapped(smoke: dict[str, Any]) -> None:
    names = smoke["states"]
    assert {"prm_arms.train_policy/0", "prm_arms.train_policy/1", "prm_arms.train_policy/2"} <= set(names)
    assert {"supervision.label_prefixes/0", "supervision.label_prefixes/1"} <= set(names)


def test_the_report_names_every_arm(smoke: dict[str, Any]) -> None:
    report = Path(stages(smoke)["report/-1"]["artifact"].removeprefix("file://"))
    results = json.loads((report / "results.json").read_text())
    assert [arm["arm"] for arm in results["arms"]] == ["rl", "rl_long", "dense", "value_init", "psgpo"]
    assert (report / "report.html").stat().st_size > 10_000


def test_envelopes_are_small(smoke: dict[str, Any]) -> None:
    for task, _, envelope in smoke["envelopes"]:
        assert len(json.dumps(envelope)) < 4096, task


def test_mlflow_has_one_ended_parent_with_a_child_per_job(smoke: dict[str, Any], mlflow_server: str) -> None:
    server = MlflowServer(mlflow_server)
    (plan,) = [envelope for task, _, envelope in smoke["envelopes"] if task == "plan"]
    parent = server.get("runs/get", run_id=plan["parent_run_id"])["run"]
    assert parent["info"]["status"] == "FINISHED"
    assert "pass_at_1/psgpo" in {metric["key"] for metric in parent["data"]["metrics"]}
    found = server.post(
        "runs/search",
        {
            "experiment_ids": [plan["experiment_id"]],
            "filter": f"tags.mlflow.parentRunId = '{plan['parent_run_id']}'",
            "max_results": 200,
        },
    )
    children = {run["info"]["run_name"] for run in found["runs"]}
    assert {
        "sft",
        "train_policy psgpo/seed0",
        "evaluate rl/seed0",
        "label_prefixes checkpoint 2/2",
    } <= children
    assert len(found["runs"]) == len(stages(smoke))


def test_run_again_everything_is_cached(smoke: dict[str, Any], run: Run) -> None:
    again = run({"profile": "smoke"})
    assert again["state"] == "success"
    first, second = stages(smoke), stages(again)
    assert not any(envelope["cached"] for envelope in first.values())
    assert all(envelope["cached"] for envelope in second.values())
    assert {name: one["digest"] for name, one in first.items()} == {
        name: one["digest"] for name, one in second.items()
    }


def test_without_prm_arms_the_prm_is_skipped_and_the_run_reported(smoke: dict[str, Any], run: Run) -> None:
    result = run({"profile": "smoke", "arms_arms": ["rl"]})
    assert result["state"] == "success"
    states = result["states"]
    assert states["report/-1"] == states["promote/-1"] == "success"
    assert states["baseline/-1"] == states["fit_prm/-1"] == "skipped"


def test_a_bad_conf_fails_the_first_task_without_retries_and_is_named(run: Run, folder: Path) -> None:
    result = run({"profile": "smoke", "ppo_lerning_rate": 1})
    assert result["state"] == "failed"
    assert result["states"].pop("plan/-1") == "failed"
    assert set(result["states"].values()) == {"upstream_failed"}
    assert result["envelopes"] == []
    assert "parameter 'ppo_lerning_rate': is unknown; allowed: profile" in (folder / "log").read_text()
