"""The whole pipeline from its DAG, on the embedded default: every stage for real, then everything again from the cache."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from infra.local.airflow_api import AirflowApi
from infra.local.following import Follower
from infra.local.settings import Settings
from tasks.tracking.server import MlflowServer

if TYPE_CHECKING:
    from tests.e2e.conftest import Pipeline

Result = Callable[[str], dict[str, Any]]

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def smoke(result: Result) -> dict[str, Any]:
    return result("smoke")


def stages(outcome: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Envelopes of stages by task and map index."""
    return {
        f"{task}/{index}": envelope
        for task, index, envelope in outcome["envelopes"]
        if isinstance(envelope, dict) and "artifact" in envelope
    }


def test_every_task_succeeds(smoke: dict[str, Any]) -> None:
    assert smoke["state"] == "success", smoke["states"]
    # there is no champion yet to compare with
    assert {task for task, state in smoke["states"].items() if state != "success"} == {"champion.evaluate/-1"}


def test_arms_and_checkpoints_are_mapped(smoke: dict[str, Any]) -> None:
    names = smoke["states"]
    assert {"prm_arms.train_policy/0", "prm_arms.train_policy/1", "prm_arms.train_policy/2"} <= set(names)
    assert {"supervision.label_prefixes/0", "supervision.label_prefixes/1"} <= set(names)


def test_the_report_names_every_arm(smoke: dict[str, Any]) -> None:
    report = Path(stages(smoke)["report/-1"]["artifact"].removeprefix("file://"))
    results = json.loads((report / "results.json").read_text())
    assert [arm["arm"] for arm in results["arms"]] == ["rl", "dense", "value_init", "psgpo"]
    assert (report / "report.html").stat().st_size > 10_000


def test_envelopes_are_small(smoke: dict[str, Any]) -> None:
    for task, _, envelope in smoke["envelopes"]:
        assert len(json.dumps(envelope)) < 4096, task


def test_mlflow_has_one_ended_parent_with_a_child_per_job(smoke: dict[str, Any], pipeline: Pipeline) -> None:
    server = MlflowServer(pipeline.settings.mlflow_uri)
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


def test_the_page_of_labels_opens_from_mlflow(smoke: dict[str, Any], pipeline: Pipeline) -> None:
    envelope = stages(smoke)["supervision.label_prefixes/1"]
    query = urlencode({"path": "labels.html", "run_uuid": envelope["mlflow_run_id"]})
    with urlopen(f"{pipeline.settings.mlflow_uri}/get-artifact?{query}", timeout=30) as answer:
        page = answer.read()
    assert page == (Path(envelope["artifact"].removeprefix("file://")) / "labels.html").read_bytes()
    assert b"<!doctype html>" in page[:100].lower()


def test_the_prm_is_checked_on_the_policy_it_trained_and_the_report_says_so(smoke: dict[str, Any]) -> None:
    found = {name: Path(one["artifact"].removeprefix("file://")) for name, one in stages(smoke).items()}
    check = json.loads((found["check_prm/-1"] / "metrics.json").read_text())
    assert check["policy"] == {"arm": "psgpo", "seed": 0}
    assert check["responses"] == 12
    page = (found["report/-1"] / "report.html").read_text()
    for told in (
        "12 programs that psgpo/seed0 wrote",
        "control: shuffled_labels",
        "How far labels can be trusted",
    ):
        assert told in page


def test_run_again_everything_is_cached(smoke: dict[str, Any], result: Result) -> None:
    again = result("again")
    assert again["state"] == "success"
    first, second = stages(smoke), stages(again)
    assert not any(envelope["cached"] for envelope in first.values())
    # the first run made a champion: it is evaluated beside these policies, and weighed; labels are held against its labels
    about_champion = {"champion.evaluate/0", "validate_labels/-1", "weigh/-1", "promote/-1"}
    assert {name for name, envelope in second.items() if not envelope["cached"]} <= about_champion
    assert {name: one["digest"] for name, one in first.items() if name not in about_champion} == {
        name: one["digest"] for name, one in second.items() if name not in about_champion
    }


def test_without_prm_arms_the_prm_is_skipped_and_the_run_reported(without_prm: dict[str, Any]) -> None:
    assert without_prm["state"] == "success"
    states = without_prm["states"]
    assert states["report/-1"] == states["promote/-1"] == "success"
    assert states["baseline/-1"] == states["fit_prm/-1"] == states["check_prm/-1"] == "skipped"


def test_a_bad_conf_fails_the_first_task_without_retries_and_is_named(
    result: Result, api: AirflowApi, settings: Settings
) -> None:
    outcome = result("refused")
    assert outcome["state"] == "failed"
    assert outcome["states"].pop("plan/-1") == "failed"
    assert set(outcome["states"].values()) == {"upstream_failed"}
    assert outcome["envelopes"] == []
    follower = Follower(api, settings, "refused")
    (plan,) = [one for one in follower.instances() if one["task_id"] == "plan"]
    assert plan["try_number"] == 1
    told = "parameter 'ppo_lerning_rate': is unknown; allowed: profile"
    assert any(told in line for line in follower.log_tail(plan))


def test_an_evaluation_puts_every_model_to_every_benchmark_beside_the_champion(
    smoke: dict[str, Any], result: Result, pipeline: Pipeline
) -> None:
    outcome = result("evaluate")
    assert outcome["state"] == "success", outcome["states"]
    found = stages(outcome)
    scores = [envelope for name, envelope in found.items() if name.startswith("scores.evaluate/")]
    benchmarks = [envelope for name, envelope in found.items() if name.startswith("benchmarks.")]
    assert len(scores) == 3 * len(benchmarks)
    report = Path(found["compare/-1"]["artifact"].removeprefix("file://"))
    arms = {arm["arm"]: arm for arm in json.loads((report / "results.json").read_text())["arms"]}
    names = [name.split("/", 1)[1] for name in arms if name.startswith("stepcode/")]
    assert names[0] == "champion"
    assert arms["stepcode/champion"]["gain"] is None
    same = [arms[f"stepcode/{name}"] for name in names[1:]]
    assert same[0]["pass_at_1"] == same[1]["pass_at_1"]  # one model, given in two ways
    assert same[0]["gain"] is not None


def test_mlflow_has_the_scores_of_the_evaluation(result: Result, pipeline: Pipeline) -> None:
    server = MlflowServer(pipeline.settings.mlflow_uri)
    (plan,) = [envelope for task, _, envelope in result("evaluate")["envelopes"] if task == "plan"]
    parent = server.get("runs/get", run_id=plan["parent_run_id"])["run"]
    assert parent["info"]["status"] == "FINISHED"
    assert "pass_at_1/stepcode/champion" in {metric["key"] for metric in parent["data"]["metrics"]}
