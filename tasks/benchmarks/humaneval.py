"""HumanEval (Chen et al. 2021): 164 functions to complete from signature and docstring.

Rows `{task_id, prompt, entry_point, canonical_solution, test}`. The tests are `check(candidate)`. Four prompts define a
helper that the tests call as well: helpers and imports of a prompt are the tests' prelude.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tasks.benchmarks.benchmark import Protocol
from tasks.benchmarks.continuation import continuation_program, continuation_prompt
from tasks.benchmarks.extraction import prompt_helpers
from tasks.benchmarks.files import Row, field, read_objects, reading_row
from tasks.benchmarks.problem_rows import problem_row
from tasks.problems import Problem
from tasks.sandbox.program import AssertTests, Program, Tests

NAME = "humaneval"
CPU_SECONDS = 3.0
PROTOCOLS = {
    "base": Protocol("base", stop=("\nclass ", "\ndef ", "\n#", "\nif ", "\nprint")),
    "chat": Protocol("chat", extraction="fenced"),
}


def problems(path: Path) -> Iterator[Problem]:
    """Raises BadInput, naming file and line, for a row that lacks a field."""
    for where, row in read_objects(path):
        with reading_row(where):
            problem = Problem(**_row(row, where))
        yield problem


def _row(row: Row, where: str) -> Row:
    prompt, entry_point = field(row, "prompt", str, where), field(row, "entry_point", str, where)
    given = {
        "problem_id": field(row, "task_id", str, where),
        "prompt": prompt,
        "reference": field(row, "canonical_solution", str, where),
        "split": "test",
        "source": NAME,
        "licence": "MIT",
    }
    decides = AssertTests(
        entry_point,
        calls=("check(candidate)",),
        source=field(row, "test", str, where),
        prelude=prompt_helpers(prompt, entry_point),
    )
    return problem_row(where, given, decides)


def prompt(problem: Problem, protocol: Protocol) -> str:
    return continuation_prompt(problem, protocol)


def program(problem: Problem, response: str, protocol: Protocol) -> Program:
    return continuation_program(problem, response, protocol)


def tests(problem: Problem) -> Tests:
    return problem.decoded_tests
