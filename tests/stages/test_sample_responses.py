"""Responses of one checkpoint: one row per ask, graded, reproducible."""

from __future__ import annotations

import pytest

from tasks.errors import BadInput
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
