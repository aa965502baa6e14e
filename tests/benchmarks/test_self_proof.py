"""A grader that judges wrongly, or a benchmark that is broken, publishes no score."""

from __future__ import annotations

import dataclasses

import pytest

from tasks.benchmarks.lookahead import Judged
from tasks.benchmarks.self_proof import prove_grader
from tasks.benchmarks.stepcode import generate
from tasks.errors import BadInput, TryAgain
from tasks.problems import Problem, problems_from_rows
from tasks.sandbox import tests_to_json as encode
from tasks.sandbox.program import AssertTests, CallTests, Case, StdioCase, StdioTests, Verdict

METHOD = Problem(
    "mine/method", "class Solution:\n", "Solution().twice", encode(CallTests("Solution().twice", (Case((2,), 4),))),
    "    def twice(self, x):\n        return 2 * x\n", 0, "test", "here", "none",
)  # fmt: skip
STDIO = Problem(
    "mine/stdio", "# echo\n", "",
    encode(StdioTests((StdioCase("a\n", "a\n"),))), "print(input())\n", 0, "test", "here", "none"
)  # fmt: skip
ASSERTS = Problem(
    "mine/asserts", "def twice(x):\n", "twice", encode(AssertTests("twice", ("assert twice(2) == 4",))),
    "    return 2 * x\n", 0, "test", "here", "none",
)  # fmt: skip


@pytest.fixture(scope="module")
def problems():
    return [*problems_from_rows(generate("test", 0, (1, 8), 12)), METHOD, STDIO, ASSERTS]


def test_a_sound_benchmark_is_proven(problems, sandbox):
    proof = prove_grader(problems, sandbox)
    assert proof == {
        "problems": 15,
        "always_equal": 14,
        "empty": 15,
        "extra_line": 1,
        "reference": 15,
        "wrapped_result": 14,
    }


def test_broken_programs_can_be_run_for_a_few_problems_only(problems, sandbox):
    proof = prove_grader(problems, sandbox, broken=3)
    assert (proof["empty"], proof["reference"]) == (3, 15)


def test_a_reference_that_fails_stops_the_score(problems, sandbox):
    wrong = dataclasses.replace(ASSERTS, problem_id="mine/wrong", reference="    return 3 * x\n")
    with pytest.raises(BadInput, match="mine/wrong reference: failed"):
        prove_grader([*problems, wrong], sandbox)


def test_tests_that_a_broken_program_passes_stop_the_score(sandbox):
    weak = dataclasses.replace(ASSERTS, tests=encode(AssertTests("twice", ("assert True",))))
    with pytest.raises(BadInput, match="misjudged"):
        prove_grader([weak], sandbox)


def test_problems_without_tests_are_refused(sandbox):
    for tests in (AssertTests("twice", ()), CallTests("twice", ()), StdioTests(())):
        with pytest.raises(BadInput, match="without tests"):
            prove_grader([dataclasses.replace(ASSERTS, tests=encode(tests))], sandbox)


class OneAnswer:
    """A sandbox gone wrong: the same verdict for everything."""

    def __init__(self, status):
        self.status = status

    def submit(self, program):
        return Judged(Verdict(self.status, 1, 1, 0.0))


@pytest.mark.parametrize(
    "status, raised", [("passed", BadInput), ("failed", BadInput), ("no_verdict", TryAgain)]
)
def test_a_sandbox_that_gives_one_answer_to_all_is_found_out(status, raised):
    """Silence may be over when it is asked again; a wrong answer will not be."""
    with pytest.raises(raised, match="no score is published"):
        prove_grader([ASSERTS, METHOD], OneAnswer(status))
