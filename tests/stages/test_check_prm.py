"""The PRM on the programs of a policy it trained: who is asked, what is asked, what is measured; nothing to ask about."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from tasks.errors import TryAgain
from tasks.method.trials import Trials
from tasks.problems import read_problems
from tasks.rows import LABELS, RESPONSES, read_rows
from tasks.stages.check_prm import _asked
from tests.stages.conftest import MicroRun

ASKED = ("prm_check.responses=10", "labels.shard_size=4")


@pytest.fixture(scope="module")
def inputs(micro):
    """A PRM and a policy that was trained with it."""
    start = {"problems": micro.problems(), "sft": micro.sft()}
    given = {"problems": micro.problems(), "responses": micro.responses(), "policy": micro.baseline()}
    labels = micro.stage("label_prefixes", "cell.checkpoint=1", **given)["artifact"]
    prm = micro.stage("fit_prm", "prm.selection=full", **start, labels=labels)["artifact"]
    policy = micro.stage("train_policy", "cell.arm=psgpo", **start, prm=prm)["artifact"]
    return {"problems": micro.problems(), "policies": [policy], "prm": prm}


@pytest.fixture(scope="module")
def checked(micro, inputs):
    return micro.stage("check_prm", *ASKED, **inputs)


@pytest.fixture
def folder(checked, files):
    return files(checked["artifact"])


def test_the_policy_answers_validation_problems_in_turn(folder, inputs, files):
    rows = read_rows(RESPONSES, folder / "responses.parquet")
    validation = {problem.problem_id for problem in read_problems(files(inputs["problems"]), "validation")}
    assert len(validation) == 6
    assert len(rows) == len({row["response_id"] for row in rows}) == 10
    assert {row["problem_id"] for row in rows} == validation
    assert sorted(row["response_id"].split("#")[-1] for row in rows) == ["0"] * 6 + ["1"] * 4


def test_all_its_lines_are_labelled_and_measured_beside_controls(checked, folder, inputs, files):
    metrics = json.loads((folder / "metrics.json").read_text())
    labels = np.array([row["label"] for row in read_rows(LABELS, folder / "labels.parquet")])
    truth = labels[labels != 0]
    assert metrics["policy"] == {"arm": "psgpo", "seed": 0}
    assert metrics["all"]["lines"] == len(truth) > 0
    assert metrics["revised"]["lines"] <= len(truth)
    assert metrics["all"]["positive"] == pytest.approx((truth > 0).mean())
    mean = json.loads((files(inputs["prm"]) / "metrics.json").read_text())["guesses"]["mean"]
    assert metrics["controls"]["constant"]["mse"] == pytest.approx(((truth - mean) ** 2).mean())
    assert checked["metrics"]["mse"] == metrics["all"]["mse"] != metrics["controls"]["constant"]["mse"]


def test_stopped_between_shards_it_goes_on_to_the_same_content(inputs, folder, files, tmp_path, monkeypatch):
    begun = []

    def stopped_at_the_second(complete, judge):
        begun.append(0)
        if len(begun) == 2:
            raise TryAgain("stopped by SIGTERM")
        return Trials(complete, judge)

    elsewhere = MicroRun(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("tasks.stages.label_shards.Trials", stopped_at_the_second)
        with pytest.raises(TryAgain):
            elsewhere.stage("check_prm", *ASKED, **inputs)
    assert len(begun) == 2, "ten responses are three shards"
    resumed = files(elsewhere.stage("check_prm", *ASKED, **inputs)["artifact"])
    for path in folder.iterdir():
        if path.name != "_manifest.json":
            assert path.read_bytes() == (resumed / path.name).read_bytes(), path.name


@pytest.mark.parametrize(
    "nothing", [("prm_check.responses=0",), ("ppo.difficulty_min=3", "ppo.difficulty_max=3")]
)
def test_with_nothing_to_ask_it_says_so(micro, inputs, files, nothing):
    envelope = micro.stage("check_prm", *nothing, **inputs)
    metrics = json.loads((files(envelope["artifact"]) / "metrics.json").read_text())
    assert metrics == {"policy": {"arm": "psgpo", "seed": 0}, "responses": 0}
    assert envelope["metrics"] == {"responses": 0}


def test_psgpo_is_asked_first_the_lowest_seed():
    def policy(arm, seed):
        config = {"cell": {"arm": arm, "seed": seed}}
        return SimpleNamespace(manifest={"identity": {"config": config}})

    dense, first, second = policy("dense", 0), policy("psgpo", 0), policy("psgpo", 1)
    assert _asked((dense, second, first)) is first
    assert _asked((policy("value_init", 0), dense)) is dense
