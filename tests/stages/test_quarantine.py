"""A poisoned problem in a problems file: put aside, told of at every step, and the rest goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.benchmarks.quarantine import QUARANTINE
from tasks.errors import BadInput, TryAgain
from tasks.rows import DEMONSTRATIONS, PROBLEMS, read_rows
from tasks.stages import prepare_problems

RIGHT, WRONG, HANGS = "    return 2 * x\n", "    return 3 * x\n", "    while True:\n        pass\n"


@pytest.fixture
def prepare(micro, tmp_path):
    """`prepare(*overrides, name=(split, reference))`: the envelope of a file with these problems and twelve good ones."""

    def run(*overrides: str, **odd: tuple[str, str]) -> dict:
        problems = {f"good{number}": ("train" if number < 8 else "test", RIGHT) for number in range(12)} | odd
        rows = [
            {
                "problem_id": name,
                "prompt": f"def double(x):  # {name}\n",
                "entry_point": "double",
                "tests": [{"args": [2], "expected": 4}],
                "reference": reference,
                "split": split,
                "licence": "MIT",
            }
            for name, (split, reference) in problems.items()
        ]
        path = tmp_path / "mine.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return micro.stage("prepare_problems", f"data.source={path}", "sandbox.cpu_seconds=1", *overrides)

    return run


def names(path: Path, kind=PROBLEMS) -> set[str]:
    return {row["problem_id"] for row in read_rows(kind, path)}


@pytest.mark.slow
def test_it_is_put_aside_and_told_of_and_the_rest_goes_on(prepare, micro, files, capsys):
    made = prepare(hangs=("test", HANGS))
    folder = files(made["artifact"])
    assert made["metrics"]["quarantined"] == 1
    assert names(folder / "problems.parquet") == {f"good{number}" for number in range(12)}
    (aside,) = json.loads((folder / QUARANTINE).read_text())
    assert (aside["problem_id"], aside["split"]) == ("hangs", "test")
    assert "timeout" in aside["reason"]
    assert "quarantine: 1 of 13 problems put aside: hangs: " in capsys.readouterr().err

    gate = micro.stage("validate", subject=made["artifact"])
    assert gate["metrics"]["warnings"] == 1
    assert "warning: quarantine.reason" in capsys.readouterr().err

    score = micro.stage("evaluate", problems=made["artifact"], policy=micro.model())
    summary = json.loads((files(score["artifact"]) / "summary.json").read_text())
    assert (summary["problems"], summary["excluded"]) == (4, ["hangs"])


def test_more_than_may_be_are_refused_by_name(prepare, files):
    two = {"hangs": ("train", HANGS), "hangs_too": ("train", HANGS)}
    with pytest.raises(BadInput, match=r"2 of 14 problems are poisoned: hangs: .*; hangs_too: .*at most 1;"):
        prepare(**two)
    folder = files(prepare("validation.quarantine=0.2", **two)["artifact"])
    assert names(folder / "demonstrations.parquet", DEMONSTRATIONS) == {
        f"good{number}" for number in range(8)
    }


def test_where_nothing_is_poisoned_nothing_is_said(prepare, files):
    """A reference that fails is the gate's to refuse."""
    made = prepare(wrong=("train", WRONG))
    assert made["metrics"]["quarantined"] == 0
    folder = files(made["artifact"])
    assert "wrong" in names(folder / "problems.parquet")
    assert not (folder / QUARANTINE).exists()


def test_a_sandbox_that_judges_nothing_is_asked_again_later(prepare, monkeypatch):
    from tasks.benchmarks.quarantine import Checked

    blind = Checked({}, {f"good{number}": "no_verdict" for number in range(12)}, 12)
    monkeypatch.setattr(prepare_problems, "check_references", lambda problems, sandbox: blind)
    with pytest.raises(TryAgain, match="no verdict on 12 references of 12"):
        prepare()
