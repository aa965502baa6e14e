"""MBPP: 974 of 974 references pass, official splits, protocols pinned."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tasks.benchmarks import mbpp
from tasks.benchmarks.files import read_objects
from tasks.benchmarks.importers import load_problems
from tasks.errors import BadInput
from tasks.sandbox.program import AssertTests, Limits, Program
from tests.benchmarks.broken import mutants

GOLDEN = Path(__file__).parent / "golden"


def row(number, **change):
    return {
        "task_id": number,
        "text": f"Write a function to add {number}.",
        "code": f"def add(x):\r\n\treturn x + {number}",
        "test_list": [f"assert add(1) == {number + 1}", "assert isinstance(add(0), int)"],
        "test_setup_code": "",
    } | change


def write(tmp_path, *rows):
    path = tmp_path / "mbpp.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


@pytest.fixture
def four(tmp_path):
    return write(tmp_path, *(row(number) for number in (2, 3, 4, 11)))


def test_few_shot_examples_are_no_problems(four):
    (problem,) = mbpp.problems(four)
    assert (problem.problem_id, problem.entry_point, problem.split) == ("mbpp/11", "add", "test")
    assert problem.reference == "def add(x):\n\treturn x + 11"


@pytest.mark.parametrize("name", ["docstring", "chat", "three_shot"])
def test_prompts_are_pinned(four, name):
    (problem,) = mbpp.problems(four)
    protocol = mbpp.three_shot(four) if name == "three_shot" else mbpp.PROTOCOLS[name]
    assert mbpp.prompt(problem, protocol) == (GOLDEN / f"mbpp_{name}.txt").read_text()


def test_three_shots_need_the_examples(tmp_path):
    with pytest.raises(BadInput, match="three-shot"):
        mbpp.three_shot(write(tmp_path, row(11)))


def test_a_three_shot_answer_ends_at_done(four):
    (problem,) = mbpp.problems(four)
    answer = "def add(x):\n    return x + 11\n[DONE]\nnonsense"
    assert mbpp.program(problem, answer, mbpp.three_shot(four)).code == "def add(x):\n    return x + 11\n"


def test_sanitised_rows_are_read_too(tmp_path):
    given = {name: value for name, value in row(11).items() if name not in ("text", "test_setup_code")}
    path = tmp_path / "sanitized.json"
    path.write_text(json.dumps([given | {"prompt": "Add eleven.", "test_imports": ["import math"]}]))
    (problem,) = mbpp.problems(path)
    assert "Add eleven." in problem.prompt
    assert problem.decoded_tests.source == "import math"


@pytest.mark.parametrize(
    ("setup", "test", "beside"),
    [
        ("", "assert add(1) == 12", False),
        ("import math", "assert math.isclose(add(1), 12)", False),
        ("one = 1", "assert add(one) == 12", False),
        ("root = Node(1)", "assert add(root) == 12", True),
        ("", "assert add(int) == 12", True),
        ("", "assert add(int(1)) == 12", False),
    ],
)
def test_tests_run_beside_the_candidate_only_if_they_need_its_classes(tmp_path, setup, test, beside):
    (problem,) = mbpp.problems(write(tmp_path, row(11, test_setup_code=setup, test_list=[test])))
    tests = problem.decoded_tests
    assert isinstance(tests, AssertTests)
    assert tests.beside_candidate == beside


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"task_id": "11"}, "task_id"),
        ({"task_id": 0}, "task_id"),
        ({"text": None}, "text"),
        ({"code": "def add(x) return"}, "not Python"),
        ({"test_list": []}, "test_list"),
        ({"test_list": ["assert other(1)"]}, "test_list"),
    ],
)
def test_malformed_rows_are_named(tmp_path, change, problem):
    with pytest.raises(BadInput, match=problem) as caught:
        list(mbpp.problems(write(tmp_path, row(12), row(11, **change))))
    assert caught.value.where.endswith("mbpp.jsonl:2")


def test_official_splits_and_no_training_text_from_the_test_split(real_file):
    path = real_file("mbpp.jsonl")
    sizes = Counter(one["split"] for one in load_problems(path))
    assert sizes == {"test": 500, "validation": 90, "train": 374 - 3}
    texts = {given["task_id"]: given["text"] for _, given in read_objects(path)}
    test_texts = {texts[number] for number in mbpp.TEST}
    copies = [number for number in mbpp.TRAIN if texts[number] in test_texts]
    assert tuple(copies) == mbpp.TRAIN_COPIES_OF_TEST


def test_all_references_pass_and_most_mutants_fail(real_file, sandbox):
    found = list(mbpp._all_problems(real_file("mbpp.jsonl")))
    assert len(found) == 974
    limits = Limits(cpu_seconds=mbpp.CPU_SECONDS, wall_seconds=100)
    verdicts = list(sandbox.run(Program(one.reference, one.decoded_tests, limits) for one in found))
    assert [(p.problem_id, v) for p, v in zip(found, verdicts, strict=True) if not v.passed] == []
    broken = [
        Program(mutant, problem.decoded_tests, Limits(cpu_seconds=1, wall_seconds=10))
        for problem in found[::40]
        for mutant in list(mutants(problem.reference))[:4]
    ]
    caught = [not verdict.passed for verdict in sandbox.run(broken)]
    assert len(caught) > 50
    assert sum(caught) / len(caught) > 0.85  # the rest are equivalent, or three asserts do not tell
