"""Responses of one checkpoint: one row per ask, graded, reproducible."""

from __future__ import annotations

import dataclasses

import pytest

from tasks.errors import BadInput, TryAgain
from tasks.rows import PROBLEMS, RESPONSES, read_rows


def test_every_ask_has_one_graded_row(micro, files):
    rows = read_rows(RESPONSES, files(micro.responses()) / "responses.parquet")
    assert len(rows) == 6 * 2
    assert {row["status"] for row in rows} <= {"passed", "failed", "error", "timeout", "memory", "output"}
    training = {
        row["problem_id"]
        for row in read_rows(PROBLEMS, files(micro.problems()) / "problems.parquet")
        if row["split"] == "train"
    }
    assert {row["problem_id"] for row in rows} <= training


def test_responses_of_one_problem_differ_by_their_random_streams(micro, files):
    rows = read_rows(RESPONSES, files(micro.responses()) / "responses.parquet")
    by_problem = {}
    for row in rows:
        by_problem.setdefault(row["problem_id"], set()).add(row["text"])
    assert any(len(texts) > 1 for texts in by_problem.values())


def test_a_checkpoint_that_does_not_exist_is_refused_with_those_that_do(micro):
    inputs = {"problems": micro.problems(), "policy": micro.baseline()}
    with pytest.raises(BadInput, match=r"cell.checkpoint 9.*1, 2"):
        micro.stage("sample_responses", "cell.checkpoint=9", **inputs)


def test_the_sft_policy_writes_in_place_of_every_checkpoint(micro, files):
    """The same problems, its own programs. (A model without SFT: two updates of `micro` leave the policy as it was.)"""
    inputs = {"problems": micro.problems(), "policy": micro.baseline()}
    rows = {}
    for source, given in (("baseline", inputs), ("sft", {**inputs, "sft": micro.model()})):
        made = micro.stage("sample_responses", "cell.checkpoint=2", f"sample.source={source}", **given)
        rows[source] = read_rows(RESPONSES, files(made["artifact"]) / "responses.parquet")
    told = {name: [(row["response_id"], row["checkpoint"]) for row in some] for name, some in rows.items()}
    assert told["sft"] == told["baseline"]
    assert [row["text"] for row in rows["sft"]] != [row["text"] for row in rows["baseline"]]
    with pytest.raises(BadInput, match="--input sft: is missing"):
        micro.stage("sample_responses", "cell.checkpoint=2", "sample.source=sft", **inputs)


def test_a_sandbox_that_judges_too_few_stops_the_stage_and_nothing_is_published(micro, files, monkeypatch):
    from tasks.sandbox.program import Verdict
    from tasks.stages import generation

    real = generation.answers

    def blinded(*arguments):
        first, second, *rest = real(*arguments)
        blind = Verdict("no_verdict", 0, 8, 0.0)
        return [dataclasses.replace(first, verdict=blind), dataclasses.replace(second, verdict=blind), *rest]

    monkeypatch.setattr(generation, "answers", blinded)
    inputs = {"problems": micro.problems(), "policy": micro.baseline()}
    with pytest.raises(TryAgain, match="no verdict for 17% of the responses"):
        micro.stage("sample_responses", "cell.checkpoint=1", "sample.seed=3", **inputs)
    lenient = ("cell.checkpoint=1", "sample.seed=3", "ppo.max_no_verdict=0.2")
    assert micro.stage("sample_responses", *lenient, **inputs)["metrics"]["no_verdict_share"] > 0.1
