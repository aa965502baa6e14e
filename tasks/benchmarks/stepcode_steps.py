"""StepCode's steps: an operation of the table with its arguments filled in, as text and as a function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from tasks.benchmarks.stepcode_long_operations import LONG_OPERATIONS
from tasks.benchmarks.stepcode_operations import OPERATIONS, Operation

Value = Any  # list[int], or int after a reducing step
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
def steps() -> tuple[Step, ...]:
    """Every operation with every one of its arguments, the reducing ones last."""
    return tuple(sorted(_filled_in(OPERATIONS), key=lambda step: step.reduces))


@cache
def long_steps() -> tuple[Step, ...]:
    """The same for the long operations, none of which reduces."""
    return tuple(_filled_in(LONG_OPERATIONS))


@cache
def steps_by_phrase() -> dict[str, Step]:
    """The English of a step names it uniquely."""
    return {step.phrase: step for step in (*steps(), *long_steps())}


def _filled_in(operations: Iterable[Operation]) -> list[Step]:
    return [_step(operation, values) for operation in operations for values in operation.arguments]


def _step(operation: Operation, values: Mapping[str, object]) -> Step:
    right = operation.right.format_map(values)
    wrong = tuple(block.format_map(values) for block in operation.wrong)
    return Step(
        operation=operation.name,
        phrase=operation.phrase.format_map(values),
        right=right,
        wrong=wrong,
        run=_compile(right),
        run_wrong=tuple(_compile(block) for block in wrong),
        reduces=operation.reduces,
    )


def _compile(block: str) -> Run:
    """The block as a function of `xs`: the very text that a response is made of."""
    lines = "\n".join("    " + line for line in block.split("\n"))
    space: dict[str, Any] = {}
    exec(f"def run(xs):\n{lines}\n    return xs", space)  # noqa: S102 - our own table above
    run: Run = space["run"]
    return run
