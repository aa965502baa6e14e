"""Grading files of samples: the right rows, once each, resumed after a kill, nothing half-written."""

from __future__ import annotations

import gzip
import json

import pytest
import zstandard

from tasks.__main__ import main as command_line
from tasks.benchmarks import stepcode
from tasks.benchmarks.lookahead import Judged
from tasks.benchmarks.samples import count_samples, read_samples
from tasks.benchmarks.score_command import main
from tasks.benchmarks.scoring import Tally, file_identity, grade, grade_file
from tasks.benchmarks.stepcode import generate
from tasks.errors import BadInput
from tasks.problems import Problem
from tasks.sandbox.program import Verdict

ROWS = list(generate("test", 0, (1, 3), 5))
PROBLEMS = {row["problem_id"]: Problem(**row) for row in ROWS}
NAMES = list(PROBLEMS)
KEYS = ["task_id", "index", "status", "tests_passed", "tests_total", "seconds", "detail"]


def right(name):
    return {"task_id": name, "completion": PROBLEMS[name].reference}


def whole(name):
    return {"task_id": name, "solution": PROBLEMS[name].prompt + PROBLEMS[name].reference}


def wrong(name, note=""):
    return {"task_id": name, "completion": f"    return 'no'  # {note}\n"}


SAMPLES = [
    right(NAMES[0]),
    wrong(NAMES[0]),
    whole(NAMES[1]),
    wrong(NAMES[1]),
    wrong(NAMES[2]),
    wrong(NAMES[2], "again"),
]
EXPECTED = [True, False, True, False, False, False]


@pytest.fixture
def files(tmp_path):
    """`files(samples)`: the command's arguments for these sample rows."""

    def arguments(samples, *more, name="samples.jsonl"):
        text = "".join(json.dumps(row) + "\n" for row in samples).encode()
        packed = (
            gzip.compress(text)
            if name.endswith("gz")
            else zstandard.compress(text)
            if name.endswith("zst")
            else text
        )
        (tmp_path / name).write_bytes(packed)
        (tmp_path / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
        places = {
            "--problems": tmp_path / "problems.jsonl",
            "--samples": tmp_path / name,
            "--output": tmp_path / "out.jsonl",
        }
        return [
            "--benchmark",
            "stepcode",
            "--workers",
            "1",
            *(str(x) for pair in places.items() for x in pair),
            *more,
        ]

    return arguments


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("name", ["samples.jsonl", "samples.jsonl.gz", "samples.jsonl.zst"])
def test_the_command_grades_and_sums_up(files, tmp_path, capsys, name):
    assert main(files(SAMPLES, "--k", "1,2", name=name)) == 0
    rows = rows_of(tmp_path / "out.jsonl")
    assert [list(row) for row in rows] == [KEYS] * 6
    assert [row["status"] == "passed" for row in rows] == EXPECTED
    assert [(row["task_id"], row["index"]) for row in rows] == [
        (name, i) for name in NAMES[:3] for i in (0, 1)
    ]
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["pass_at_1"] == pytest.approx((0.5 + 0.5 + 0) / 3)
    assert summary["pass_at_2"] == pytest.approx(2 / 3)
    assert summary["pass_at_1_low"] <= summary["pass_at_1"] <= summary["pass_at_1_high"]
    assert (summary["problems"], summary["samples"], summary["problems_without_samples"]) == (3, 6, 2)
    assert "stepcode/" in summary["protocol"]
    assert "2 samples" in summary["protocol"]
    assert summary["self_proof"]["reference"] == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl", "problems.jsonl", name]


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ({"completion": "x"}, "'task_id' is missing"),
        ({"task_id": "stepcode/none", "completion": "x"}, "no problem's"),
        ({"task_id": NAMES[0]}, "neither"),
        ({"task_id": NAMES[0], "completion": "x", "solution": "y"}, "completion and solution"),
        ({"task_id": NAMES[0], "completion": 3}, "'completion' is int"),
        ({**right(NAMES[0]), "index": "0"}, "'index' is str"),
    ],
)
def test_a_bad_sample_costs_nothing_and_leaves_nothing(files, tmp_path, capsys, bad, problem):
    arguments = files([*SAMPLES, bad])
    assert command_line(["score", *arguments]) == 64
    message = capsys.readouterr().err
    assert "samples.jsonl:7" in message
    assert problem in message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["problems.jsonl", "samples.jsonl"]


def test_an_index_given_twice_is_refused(files):
    with pytest.raises(BadInput, match=r"samples\.jsonl:2: sample 4 of .* is there twice"):
        main(files([{**right(NAMES[0]), "index": 4}] * 2))


def test_more_k_than_samples_is_refused(files):
    with pytest.raises(BadInput, match="has only 2 samples"):
        main(files(SAMPLES, "--k", "1,10"))


@pytest.mark.parametrize(
    "option",
    [["--k", "0"], ["--timeout", "0"], ["--timeout", "nan"], ["--benchmark", "none"], ["--workers", "x"]],
)
def test_bad_options_are_refused(files, option):
    with pytest.raises(BadInput):
        main([*files(SAMPLES), *option])


def test_contamination_is_reported_and_can_refuse(files, tmp_path, capsys):
    training = tmp_path / "training.jsonl"
    training.write_text(json.dumps({**ROWS[0], "problem_id": "mine/copy"}) + "\n")
    main(files(SAMPLES, "--training", str(training)))
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["contaminated"] >= 1
    with pytest.raises(BadInput, match="mine/copy"):
        main(files(SAMPLES, "--training", str(training), "--refuse-contaminated"))


class Counting:
    """A sandbox that counts what it is asked and says `passed`, or dies at a given program."""

    def __init__(self, dies_at=None):
        self.asked, self.dies_at = 0, dies_at

    def submit(self, program):
        self.asked += 1
        if self.asked == self.dies_at:
            raise KeyboardInterrupt
        return Judged(Verdict("passed", 1, 1, 0.1))


def grading(tmp_path, samples, sandbox):
    path = tmp_path / "samples.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in samples))
    return grade_file(
        tmp_path / "out.jsonl",
        file_identity([path]),
        lambda: read_samples(path, PROBLEMS, "stepcode"),
        lambda rest: grade(rest, PROBLEMS, stepcode, sandbox),
        lambda done: None,
    )


def test_equal_programs_are_run_once(tmp_path):
    counting = Counting()
    tally, _ = grading(tmp_path, [right(NAMES[0])] * 5 + [wrong(NAMES[0])], counting)
    assert counting.asked == 2
    assert tally.n[NAMES[0]] == 6


def test_a_killed_grading_goes_on_and_gives_the_same_file(tmp_path):
    samples = [wrong(NAMES[0], str(number)) for number in range(10)]
    with pytest.raises(KeyboardInterrupt):
        grading(tmp_path, samples, Counting(dies_at=7))
    assert not (tmp_path / "out.jsonl").exists()
    with open(tmp_path / ".out.jsonl.journal", "a") as journal:
        journal.write('{"task_id": "torn')
    counting = Counting()
    tally, resumed = grading(tmp_path, samples, counting)
    assert (resumed, counting.asked, tally.n[NAMES[0]]) == (6, 4, 10)
    first = (tmp_path / "out.jsonl").read_bytes()
    (tmp_path / "out.jsonl").unlink()
    grading(tmp_path, samples, Counting())
    assert (tmp_path / "out.jsonl").read_bytes() == first


def test_the_journal_of_other_samples_is_not_used(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        grading(tmp_path, [wrong(NAMES[0], str(number)) for number in range(4)], Counting(dies_at=3))
    counting = Counting()
    _, resumed = grading(tmp_path, [wrong(NAMES[1], str(number)) for number in range(4)], counting)
    assert (resumed, counting.asked) == (0, 4)


def test_a_sample_without_verdict_is_never_wrong():
    tally = Tally()
    for status in ("passed", "no_verdict", "failed", "no_verdict"):
        tally.add({"task_id": "a", "status": status})
    tally.add({"task_id": "b", "status": "no_verdict"})
    assert tally.scores((1, 3))["pass_at_1"] == 0.5
    assert tally.scores((1, 3))["pass_at_3"] is None


def test_short_task_ids_are_understood(tmp_path):
    path = tmp_path / "samples.jsonl"
    path.write_text('{"task_id": 11, "solution": "a"}\n{"task_id": "Mbpp/11", "solution": "b"}\n')
    problem = {"mbpp/11": PROBLEMS[NAMES[0]]}
    assert count_samples(path, problem, "mbpp").per_problem == {"mbpp/11": 2}
