"""HumanEval (Chen et al. 2021): 164 functions to complete from signature and docstring.

Rows `{task_id, prompt, entry_point, canonical_solution, test}`. The tests are `check(candidate)`. Four prompts define a
helper that the tests call as well: helpers and imports of a prompt are the tests' prelude.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tasks.benchmarks.benchmark import Protocol
from tasks.benchmarks.extraction import prompt_helpers, with_prompt_parts
from tasks.benchmarks.files import field, read_objects
from tasks.benchmarks.problem_rows import problem_row
from tasks.problems import Problem
from tasks.sandbox.program import AssertTests, Program, Tests

NAME = "humaneval"
CPU_SECONDS = 3.0
CHAT_REQUEST = (
    "Complete the following Python function. Answer with the whole function in one fenced code block.\n\n"
    "```python\n{prompt}```\n"
)
PROTOCOLS = {
    "base": Protocol("base", stop=("\nclass ", "\ndef ", "\n#", "\nif ", "\nprint")),
    "chat": Protocol("chat", extraction="fenced"),
}


def problems(path: Path) -> Iterator[Problem]:
    """Raises BadInput, naming file and line, for a row that lacks a field."""
    for where, row in read_objects(path):
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
        yield Problem(**problem_row(where, given, decides))


def prompt(problem: Problem, protocol: Protocol) -> str:
    if protocol.extraction == "fenced":
        return CHAT_REQUEST.format(prompt=problem.prompt)
    return problem.prompt


def program(problem: Problem, response: str, protocol: Protocol) -> Program:
    code = protocol.code(response, problem.entry_point)
    if protocol.extraction == "fenced":
        return Program(with_prompt_parts(problem.prompt, code, problem.entry_point), tests(problem))
    return Program(code, tests(problem)) if protocol.extraction == "whole" else problem.program(code)


def tests(problem: Problem) -> Tests:
    return problem.decoded_tests
