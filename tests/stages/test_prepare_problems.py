"""Problems and demonstrations: splits, determinism, refusals."""

from __future__ import annotations

import json

import pytest

from tasks.errors import BadInput
from tasks.rows import DEMONSTRATIONS, PROBLEMS, read_rows


def test_splits_have_the_sizes_asked_for(micro, files):
    rows = read_rows(PROBLEMS, files(micro.problems()) / "problems.parquet")
    sizes = {split: sum(row["split"] == split for row in rows) for split in ("train", "validation", "test")}
    assert sizes == {"train": 60, "validation": 6, "test": 6}


def test_demonstrations_answer_training_problems_only(micro, files):
    folder = files(micro.problems())
    training = {
        row["problem_id"]
        for row in read_rows(PROBLEMS, folder / "problems.parquet")
        if row["split"] == "train"
    }
    demonstrations = read_rows(DEMONSTRATIONS, folder / "demonstrations.parquet")
    assert {row["problem_id"] for row in demonstrations} == training


def test_another_seed_gives_another_artifact(micro):
    other = micro.stage("prepare_problems", "data.seed=1")
    assert other["artifact"] != micro.problems()
    assert micro.stage("prepare_problems")["cached"]


ROW = {
    "problem_id": "mine/1",
    "prompt": "def double(x):\n",
    "entry_point": "double",
    "tests": [{"args": [2], "expected": 4}],
    "reference": "    return 2 * x\n",
}


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([{key: value for key, value in ROW.items() if key != "prompt"}], "prompt"),
        ([ROW, ROW], "mine/1"),
        ([{**ROW, "tests": []}], "tests"),
    ],
    ids=["missing field", "duplicate id", "no tests"],
)
def test_a_bad_problems_file_is_refused_by_name(micro, tmp_path, rows, named):
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(BadInput, match=named) as refused:
        micro.stage("prepare_problems", f"data.source={path}")
    assert str(path) in str(refused.value)


def test_a_missing_problems_file_is_refused(micro, tmp_path):
    with pytest.raises(BadInput, match=r"absent\.jsonl"):
        micro.stage("prepare_problems", f"data.source={tmp_path}/absent.jsonl")
