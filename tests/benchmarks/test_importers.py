"""Training problems from files: every form becomes rows, every fault is named."""

from __future__ import annotations

import json

import pytest

from tasks.benchmarks.importers import load_problems
from tasks.benchmarks.problem_rows import split_by_id
from tasks.benchmarks.stepcode import generate
from tasks.errors import BadInput
from tasks.rows import PROBLEMS, write_rows
from tasks.sandbox import tests_from_json as decode
from tasks.sandbox.program import AssertTests, CallTests, Case, StdioCase, StdioTests

BY_CALLS = {
    "problem_id": "mine/double",
    "prompt": 'def double(x):\n    """Twice x."""\n',
    "entry_point": "double",
    "tests": [{"args": [2], "expected": 4}, {"args": [-1], "expected": -2}],
    "reference": "    return 2 * x\n",
    "difficulty": 1,
    "split": "train",
    "licence": "CC0-1.0",
}
BY_ASSERTS = {
    "problem_id": "mine/half",
    "prompt": "def half(x):\n",
    "entry_point": "half",
    "tests": ["assert half(4) == 2", "assert abs(half(1) - 0.5) < 1e-9"],
    "reference": "    return x / 2\n",
}
BY_STDIO = {
    "problem_id": "mine/echo",
    "prompt": "# Read a line, print it twice.\n",
    "tests": [{"stdin": "a\n", "expected": "a\na\n"}],
    "reference": "line = input()\nprint(line)\nprint(line)\n",
}


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def load(tmp_path, *rows):
    return list(load_problems(write(tmp_path / "rows.jsonl", rows)))


def test_rows_written_by_hand(tmp_path):
    calls, asserts, stdio = load(tmp_path, BY_CALLS, BY_ASSERTS, BY_STDIO)
    assert set(calls) == {column.name for column in PROBLEMS.columns}
    assert decode(calls["tests"]) == CallTests("double", (Case((2,), 4), Case((-1,), -2)))
    assert decode(asserts["tests"]) == AssertTests("half", tuple(BY_ASSERTS["tests"]))
    assert decode(stdio["tests"]) == StdioTests((StdioCase("a\n", "a\na\n"),))
    assert (calls["difficulty"], calls["split"], calls["licence"]) == (1, "train", "CC0-1.0")
    assert (asserts["difficulty"], asserts["source"], asserts["licence"]) == (0, "file", "unknown")
    assert stdio["entry_point"] == ""


def test_rows_fit_the_schema_and_come_back_from_parquet(tmp_path):
    rows = load(tmp_path, BY_CALLS, BY_ASSERTS, BY_STDIO)
    write_rows(PROBLEMS, rows, tmp_path / "rows.parquet")
    assert list(load_problems(tmp_path / "rows.parquet")) == rows


def test_stepcode_rows_come_back_from_json_lines(tmp_path):
    rows = list(generate("train", 0, (1, 3), 20))
    assert load(tmp_path, *rows) == rows


def without(row, name):
    return {key: value for key, value in row.items() if key != name}


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        (without(BY_ASSERTS, "problem_id"), "'problem_id' is missing"),
        (without(BY_ASSERTS, "prompt"), "'prompt' is missing"),
        (without(BY_ASSERTS, "entry_point"), "'entry_point' is missing"),
        (without(BY_ASSERTS, "tests"), "has no tests"),
        ({**BY_ASSERTS, "tests": []}, "has no tests"),
        ({**BY_ASSERTS, "tests": "[]"}, "not tests as JSON"),
        ({**BY_CALLS, "tests": [{"args": 2, "expected": 4}]}, "'args' is int"),
        ({**BY_CALLS, "tests": [{"args": [2]}]}, "'expected' is missing"),
        ({**BY_ASSERTS, "difficulty": "hard"}, "'difficulty' is str"),
        ({**BY_ASSERTS, "difficulty": -1}, "'difficulty' is -1"),
        ({**BY_ASSERTS, "split": "dev"}, "'split' is 'dev'"),
        ({**BY_ASSERTS, "tets": []}, "'tets' is unknown"),
        (BY_CALLS, "'mine/double' is also at"),
    ],
)
def test_faults_name_file_line_and_field(tmp_path, second, problem):
    with pytest.raises(BadInput) as caught:
        load(tmp_path, BY_CALLS, second)
    assert caught.value.where == f"{tmp_path}/rows.jsonl:2"
    assert problem in caught.value.problem


def test_files_without_problems_or_of_no_known_form_are_refused(tmp_path):
    with pytest.raises(BadInput, match="holds no problems"):
        load(tmp_path)
    with pytest.raises(BadInput, match="no known form"):
        load(tmp_path, {"instruction": "a", "output": "b"})


def test_an_undeclared_split_follows_from_the_id():
    splits = [split_by_id(f"mine/{number}") for number in range(2000)]
    assert splits == [split_by_id(f"mine/{number}") for number in range(2000)]
    assert splits.count("train") / 2000 == pytest.approx(0.8, abs=0.03)


APPS = {
    "problem_id": 7,
    "question": 'Print the sum. """quoted"""',
    "solutions": json.dumps(["print(sum(map(int, input().split())))"]),
    "input_output": json.dumps({"inputs": ["1 2\n", "3 4\n"], "outputs": ["3\n", "7\n"]}),
    "difficulty": "interview",
    "starter_code": "",
}


def test_apps_rows(tmp_path):
    (row,) = load(tmp_path, APPS)
    assert (row["problem_id"], row["difficulty"]) == ("apps/7", 1)
    assert decode(row["tests"]) == StdioTests((StdioCase("1 2\n", "3\n"), StdioCase("3 4\n", "7\n")))
    compile(row["prompt"] + row["reference"], "apps", "exec")


def test_apps_functional_rows_unwrap_results_and_find_the_class(tmp_path):
    truth = {"fn_name": "add", "inputs": [[1, 2], [3, 4]], "outputs": [[3], [7]]}
    starter = "class Solution:\n    def add(self, a, b):\n"
    (row,) = load(tmp_path, {**APPS, "starter_code": starter, "input_output": json.dumps(truth)})
    assert decode(row["tests"]) == CallTests("Solution().add", (Case((1, 2), 3), Case((3, 4), 7)))
    assert "class Solution" in row["prompt"]


def test_code_contests_rows(tmp_path):
    row = {
        "name": "1_A. Echo",
        "description": "Echo.",
        "public_tests": {"input": ["a\n"], "output": ["a\n"]},
        "private_tests": {"input": ["b\n"], "output": ["b\n"]},
        "generated_tests": {"input": [], "output": []},
        "solutions": {"language": [2, 3], "solution": ["int main(){}", "print(input())"]},
        "difficulty": 7,
    }
    (problem,) = load(tmp_path, row)
    assert decode(problem["tests"]) == StdioTests((StdioCase("a\n", "a\n"), StdioCase("b\n", "b\n")))
    assert problem["reference"] == "print(input())"


@pytest.mark.parametrize(
    ("truth", "expected"),
    [
        ({"inputs": ["1\n"], "outputs": ["1\n"]}, StdioTests((StdioCase("1\n", "1\n"),))),
        (
            {"fn_name": "f", "inputs": [[1, [2]]], "outputs": [{"a": 1}]},
            CallTests("f", (Case((1, [2]), {"a": 1}),)),
        ),
        (
            {"fn_name": "f", "inputs": ['[1]\n"x"'], "outputs": ["true"]},
            CallTests("f", (Case(([1], "x"), True),)),
        ),
    ],
    ids=["stdin", "arguments", "one value per line"],
)
def test_ground_truth_rows(tmp_path, truth, expected):
    row = {
        "data_source": "taco",
        "prompt": [{"role": "system", "content": "Be good."}, {"role": "user", "content": "Do it."}],
        "reward_model": {"style": "rule", "ground_truth": json.dumps(truth)},
        "extra_info": {"index": 3},
    }
    (problem,) = load(tmp_path, row)
    assert problem["problem_id"] == "taco/3"
    assert decode(problem["tests"]) == expected


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"input_output": "{"}, "'input_output' is not JSON"),
        ({"input_output": json.dumps({"inputs": [], "outputs": []})}, "no tests"),
        ({"input_output": json.dumps({"inputs": ["1"], "outputs": []})}, "1 inputs but 0 outputs"),
        ({"question": None}, "'question' is NoneType"),
    ],
)
def test_faults_in_public_rows_are_named(tmp_path, change, problem):
    with pytest.raises(BadInput, match=problem):
        load(tmp_path, {**APPS, **change})
