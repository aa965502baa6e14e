"""The public benchmarks: every reference solution passes, and a mutant that changes behaviour does not."""

from __future__ import annotations

import ast
import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from tasks.sandbox import AssertTests, CallTests, Case, Limits, Program, Sandbox, StdioCase, StdioTests

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
BESIDE = (367, 596, 601, 927)  # their tests use classes, or a module, of the candidate's
AMPLE = Limits(cpu_seconds=15, wall_seconds=120)  # the reference of MBPP 123 computes for seconds
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no benchmark data at {DATA}")


def rows(name: str) -> list[dict[str, Any]]:
    path = DATA / name
    text = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
    return [json.loads(line) for line in text.splitlines()]


def humaneval(row: dict[str, Any], completion: str) -> Program:
    tests = AssertTests(row["entry_point"], ("check(candidate)",), row["test"], row["prompt"])
    return Program(row["prompt"] + completion, tests, AMPLE)


def mbpp(row: dict[str, Any]) -> Program:
    called = ast.parse(row["test_list"][0].strip())
    defined = {node.name for node in ast.parse(row["code"]).body if isinstance(node, ast.FunctionDef)}
    names = [
        node.func.id
        for node in ast.walk(called)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    entry_point = next(name for name in names if name in defined)
    beside = row["task_id"] in BESIDE
    tests = AssertTests(entry_point, tuple(row["test_list"]), row["test_setup_code"], beside_candidate=beside)
    return Program(row["code"], tests, AMPLE)


def test_humaneval_references(sandbox: Sandbox) -> None:
    problems = rows("HumanEval.jsonl.gz")
    verdicts = sandbox.run(humaneval(row, row["canonical_solution"]) for row in problems)
    failing = {row["task_id"]: v for row, v in zip(problems, verdicts, strict=True) if not v.passed}
    assert failing == {}
    assert len(problems) == 164


def test_mbpp_references(sandbox: Sandbox) -> None:
    problems = rows("mbpp.jsonl")
    verdicts = sandbox.run(mbpp(row) for row in problems)
    failing = {row["task_id"]: v for row, v in zip(problems, verdicts, strict=True) if not v.passed}
    assert failing == {}
    assert len(problems) == 974


class Breaker(ast.NodeTransformer):
    """Every returned value becomes a list that holds a name no reference returns."""

    def visit_Return(self, node: ast.Return) -> ast.Return:
        return ast.Return(ast.parse("['mutant']", mode="eval").body)


def test_mutants_fail(sandbox: Sandbox) -> None:
    problems = random.Random(0).sample(rows("HumanEval.jsonl.gz"), 60)
    programs = []
    for row in problems:
        tree = Breaker().visit(ast.parse(row["prompt"] + row["canonical_solution"]))
        source = ast.unparse(ast.fix_missing_locations(tree))
        programs.append(Program(source, humaneval(row, "").tests))
    verdicts = list(sandbox.run(programs))
    assert {verdict.status for verdict in verdicts} <= {"failed", "error"}


LCB_SOLUTIONS = {
    "1873_A": "for _ in range(int(input())):\n"
    "    s = input()\n    print('YES' if sum(a != b for a, b in zip(s, 'abc')) < 3 else 'NO')",
    "2727": "class Solution:\n    def countSeniors(self, details):\n"
    "        return sum(int(detail[11:13]) > 60 for detail in details)",
    "abc301_a": "n, s = int(input()), input()\nt = s.count('T')\na = n - t\n"
    "print('T' if t > a or (t == a and s[-1] == 'A') else 'A')",
}


def lcb(row: dict[str, Any]) -> Program:
    cases = row["tests"] if isinstance(row["tests"], list) else json.loads(row["tests"])
    code = LCB_SOLUTIONS[row["question_id"]]
    if cases[0]["testtype"] == "stdin":
        return Program(code, StdioTests(tuple(StdioCase(case["input"], case["output"]) for case in cases)))
    name = row["metadata"]["func_name"]
    calls = (
        Case(tuple(json.loads(line) for line in case["input"].splitlines()), json.loads(case["output"]))
        for case in cases
    )
    return Program(code, CallTests(f"Solution().{name}", tuple(calls)))


def test_livecodebench_samples(sandbox: Sandbox) -> None:
    problems = rows("livecodebench_sample.jsonl")
    verdicts = list(sandbox.run(lcb(row) for row in problems))
    assert [verdict.status for verdict in verdicts] == ["passed"] * 3, verdicts
    assert all(verdict.tests_passed == verdict.tests_total > 0 for verdict in verdicts)


def test_livecodebench_wrong_solutions_fail(sandbox: Sandbox) -> None:
    for row in rows("livecodebench_sample.jsonl"):
        program = lcb(row)
        wrong = (
            program.code.replace("'YES'", "'YEP'").replace("> 60", "> 61").replace("s[-1] == 'A'", "False")
        )
        verdict = next(sandbox.run([Program(wrong, program.tests)]))
        assert wrong != program.code
        assert verdict.status == "failed", (row["question_id"], verdict)
