"""The PRM stage on really labelled responses: files, metrics, controls, both starts, refusals."""

from __future__ import annotations

import json

import pytest

from tasks.errors import BadInput, TryAgain
from tasks.method.value_model import ValueModel
from tasks.rows import LABELS, RESPONSES, read_rows
from tests.stages.conftest import MicroRun

ALL = "prm.selection=full"


@pytest.fixture(scope="module")
def labels(micro):
    given = {"problems": micro.problems(), "responses": micro.responses(), "policy": micro.baseline()}
    return micro.stage("label_prefixes", "cell.checkpoint=1", **given)["artifact"]


def inputs(micro, labels):
    return {"problems": micro.problems(), "labels": labels, "sft": micro.sft(), "policy": micro.baseline()}


@pytest.fixture(scope="module")
def fitted(micro, labels):
    return micro.stage("fit_prm", ALL, "prm.epochs=2", **inputs(micro, labels))


def test_it_leaves_a_value_model_and_pictures(fitted, files):
    folder = files(fitted["artifact"])
    ValueModel.load(folder)
    assert {"prm_reliability.png", "prm_by_position.png", "metrics.json", "tokenizer.json"} <= {
        path.name for path in folder.iterdir()
    }


def test_metrics_are_about_problems_it_was_not_fitted_on(fitted, labels, files):
    metrics = json.loads((files(fitted["artifact"]) / "metrics.json").read_text())
    problems = {row["problem_id"] for row in read_rows(RESPONSES, files(labels) / "responses.parquet")}
    rows = [row for row in read_rows(LABELS, files(labels) / "labels.parquet") if row["label"]]
    assert 0 < metrics["held_out"]["lines"] < len(rows)
    assert metrics["selection"]["responses"] < 12
    assert len(problems) == 6
    assert sum(row["count"] for row in metrics["by_position"]) == metrics["held_out"]["lines"]
    assert set(metrics["controls"]) == {"constant", "position", "shuffled_labels"}
    assert fitted["metrics"]["mse"] == metrics["held_out"]["mse"]


def test_the_same_fit_gives_the_same_bytes_and_a_stopped_one_goes_on(
    micro, labels, fitted, files, tmp_path, monkeypatch
):
    from tasks.method.prm import Fit

    original = Fit.epoch

    calls: list[int] = []

    def once(self, *sides):
        if len(calls) == 1:
            calls.append(0)
            raise TryAgain("stopped by SIGTERM")
        calls.append(0)
        original(self, *sides)

    monkeypatch.setattr(Fit, "epoch", once)
    elsewhere = MicroRun(tmp_path)
    with pytest.raises(TryAgain):
        elsewhere.stage("fit_prm", ALL, "prm.epochs=2", **inputs(micro, labels))
    resumed = elsewhere.stage("fit_prm", ALL, "prm.epochs=2", **inputs(micro, labels))
    assert len(calls) == 1 + 1 + 1 + 2  # an epoch, the stop, the other epoch, two of the control
    for path in files(fitted["artifact"]).iterdir():
        if path.name != "_manifest.json":
            assert path.read_bytes() == (files(resumed["artifact"]) / path.name).read_bytes(), path.name


def test_it_can_start_from_the_baseline_if_that_is_given(micro, labels, files):
    given = inputs(micro, labels)
    other = micro.stage("fit_prm", ALL, "prm.init=baseline", **given)
    ValueModel.load(files(other["artifact"]))
    del given["policy"]
    with pytest.raises(BadInput, match=r"--input policy: is missing for prm\.init = baseline"):
        micro.stage("fit_prm", ALL, "prm.init=baseline", "prm.seed=1", **given)


def test_too_few_responses_are_refused(micro, labels):
    with pytest.raises(BadInput, match=r"prm.selection full.*leaves 0 of 0"):
        micro.stage("fit_prm", ALL, "prm.source=mutation", **inputs(micro, labels))


def test_edited_references_can_be_fitted_alone_or_beside_the_search(micro, files):
    given = {"problems": micro.problems(), "responses": micro.responses(), "policy": micro.baseline()}
    both = micro.stage("label_prefixes", "cell.checkpoint=1", "labels.edits_per_problem=3", **given)
    counts = {
        source: micro.stage("fit_prm", ALL, f"prm.source={source}", **inputs(micro, both["artifact"]))
        for source in ("search", "mutation", "both")
    }
    fitted = {source: envelope["metrics"]["responses"] for source, envelope in counts.items()}
    assert fitted["both"] == fitted["search"] + fitted["mutation"]
    assert min(fitted.values()) > 0
