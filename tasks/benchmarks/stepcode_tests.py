"""Tests for a StepCode combination, chosen so that a wrong step is found out."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tasks.benchmarks.stepcode_domain import Domain, Value
from tasks.benchmarks.stepcode_lists import LISTS
from tasks.benchmarks.stepcode_steps import Run, Step
from tasks.sandbox.program import Case

RANDOM_TESTS = 6
EXTRA_TESTS = 8
FAILING_TESTS = 2


def choose_tests(
    combination: Sequence[Step], rng: random.Random, domain: Domain = LISTS
) -> tuple[Case, ...] | None:
    """Random inputs and edge cases, and more random ones that catch what those miss; None if a fault stays uncaught.

    A fault is a wrong variant of one step, or that step left out; caught means that it fails FAILING_TESTS tests.
    """
    inputs = [domain.random_input(rng) for _ in range(RANDOM_TESTS)] + domain.edge_cases(rng)
    traces = [_trace(combination, given) for given in inputs]
    spare = EXTRA_TESTS
    for position, step in enumerate(combination):
        for fault in (*step.run_wrong, _left_out):
            caught = _count_caught(combination, position, fault, traces)
            while caught < FAILING_TESTS:
                if not caught or not spare:
                    return None
                spare -= 1
                traces.append(_trace(combination, domain.random_input(rng)))
                caught += _differs(combination, position, fault, traces[-1])
    return tuple(Case((trace[0],), trace[-1]) for trace in traces)


def _count_caught(combination: Sequence[Step], position: int, fault: Run, traces: list[list[Value]]) -> int:
    """How many tests the fault fails; counting stops at FAILING_TESTS."""
    caught = 0
    for trace in traces:
        caught += _differs(combination, position, fault, trace)
        if caught == FAILING_TESTS:
            break
    return caught


def _left_out(value: Value) -> Value:
    return value


def _trace(combination: Sequence[Step], value: Value) -> list[Value]:
    """The value before every step, and the result."""
    values = [value]
    for step in combination:
        values.append(step.run(values[-1]))
    return values


def _differs(combination: Sequence[Step], position: int, fault: Run, trace: list[Value]) -> bool:
    """Whether the result changes when `fault` stands in for the step at `position`."""
    value = fault(trace[position])
    if value == trace[position + 1]:
        return False
    for step, right in zip(combination[position + 1 :], trace[position + 2 :], strict=True):
        value = step.run(value)
        if value == right:
            return False
    return True
