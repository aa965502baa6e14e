"""Benchmarks whose prompt is the beginning of a program (HumanEval, StepCode): how to ask, and what to run."""

from __future__ import annotations

from tasks.benchmarks.benchmark import Protocol
from tasks.benchmarks.extraction import with_prompt_parts
from tasks.problems import Problem
from tasks.sandbox.program import Program

CHAT_REQUEST = (
    "Complete the following Python function. Answer with the whole function in one fenced code block.\n\n"
    "```python\n{prompt}```\n"
)


def continuation_prompt(problem: Problem, protocol: Protocol) -> str:
    """The prompt as it is; a chat model is shown it in a fence."""
    return CHAT_REQUEST.format(prompt=problem.prompt) if protocol.extraction == "fenced" else problem.prompt


def continuation_program(problem: Problem, response: str, protocol: Protocol) -> Program:
    """The prompt continued; a chat answer with the prompt's imports and helpers; or the whole program as given."""
    code = protocol.code(response, problem.entry_point)
    if protocol.extraction == "fenced":
        code = with_prompt_parts(problem.prompt, code, problem.entry_point)
        return Program(code, problem.decoded_tests)
    return Program(code, problem.decoded_tests) if protocol.extraction == "whole" else problem.program(code)
