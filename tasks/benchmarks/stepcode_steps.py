"""StepCode's steps: an operation of the table with its arguments filled in, as text and as a function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from tasks.benchmarks.stepcode_domain import Domain, Value
from tasks.benchmarks.stepcode_lists import LISTS
from tasks.benchmarks.stepcode_operations import Operation

Run = Callable[[Value], Value]


@dataclass(frozen=True)
class Step:
    """An operation with its arguments. `right` and `wrong` are code blocks without indentation."""

    operation: str
    phrase: str
    right: str
    wrong: tuple[str, ...]
    run: Run
    run_wrong: tuple[Run, ...]
    reduces: bool


@cache
def steps(domain: Domain = LISTS) -> tuple[Step, ...]:
    """Every operation with every one of its arguments, the reducing ones last."""
    return tuple(sorted(_filled_in(domain, domain.operations), key=lambda step: step.reduces))


@cache
def long_steps(domain: Domain = LISTS) -> tuple[Step, ...]:
    """The same for the long operations, none of which reduces."""
    return tuple(_filled_in(domain, domain.long_operations))


@cache
def steps_by_phrase(domain: Domain = LISTS) -> dict[str, Step]:
    """The English of a step names it uniquely within its domain."""
    return {step.phrase: step for step in (*steps(domain), *long_steps(domain))}


def _filled_in(domain: Domain, operations: Iterable[Operation]) -> list[Step]:
    return [_step(domain, operation, values) for operation in operations for values in operation.arguments]


def _step(domain: Domain, operation: Operation, values: Mapping[str, object]) -> Step:
    right = operation.right.format_map(values)
    wrong = tuple(block.format_map(values) for block in operation.wrong)
    return Step(
        operation=operation.name,
        phrase=operation.phrase.format_map(values),
        right=right,
        wrong=wrong,
        run=_compile(right, domain.variable),
        run_wrong=tuple(_compile(block, domain.variable) for block in wrong),
        reduces=operation.reduces,
    )


def _compile(block: str, variable: str) -> Run:
    """The block as a function of its domain's variable: the very text that a response is made of."""
    lines = "\n".join("    " + line for line in block.split("\n"))
    space: dict[str, Any] = {}
    exec(f"def run({variable}):\n{lines}\n    return {variable}", space)  # noqa: S102 - our own tables
    run: Run = space["run"]
    return run
