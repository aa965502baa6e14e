"""A score: samples, summary, and what makes it another score."""

from __future__ import annotations

import json

import pytest

from tasks.rows import SAMPLES, read_rows


def test_summary_follows_from_the_samples(micro, files):
    folder = files(micro.scores())
    samples = read_rows(SAMPLES, folder / "samples.parquet")
    summary = json.loads((folder / "summary.json").read_text())
    assert len(samples) == 4 * 2
    passed = sum(row["status"] == "passed" for row in samples)
    assert summary["pass_at_1"] == pytest.approx(passed / len(samples))
    assert summary["pass_at_1_low"] <= summary["pass_at_1"] <= summary["pass_at_1_high"]


def test_the_grader_proved_itself_on_every_problem(micro, files):
    summary = json.loads((files(micro.scores()) / "summary.json").read_text())
    assert summary["self_proof"]["problems"] == summary["problems"]
    for kind in ("reference", "empty", "always_equal", "wrapped_result"):
        assert summary["self_proof"][kind] == summary["problems"]


def test_another_policy_gives_another_score(micro):
    other = micro.stage("evaluate", "cell.arm=sft", problems=micro.problems(), policy=micro.model())
    assert other["artifact"] != micro.scores()
