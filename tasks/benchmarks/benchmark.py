"""The one small interface of every benchmark, and what a protocol is.

A benchmark is a module with `NAME`, `PROTOCOLS`, `CPU_SECONDS` (per program, unless told otherwise) and four functions:

    problems(path)                         rows of a file -> problems, streamed
    prompt(problem, protocol)              what the model is given
    program(problem, response, protocol)   what the sandbox runs
    tests(problem)                         what decides

A score means nothing without its protocol: `protocol_id` names prompt form, stop words, extraction, limits, samples and
temperature in one line, and is printed wherever the score is.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from typing import Protocol as Interface

from tasks.benchmarks.extraction import fenced_code, normalise, until_stop
from tasks.errors import BadInput
from tasks.problems import Problem
from tasks.sandbox.program import Limits, Program, Tests

BENCHMARKS = ("humaneval", "mbpp", "livecodebench", "stepcode")


@dataclass(frozen=True)
class Protocol:
    """How a model is asked and how its answer becomes code.

    `stop`: generation ends before the first of these. `extraction`: the response goes on from the prompt
    ("continue"), is a chat answer with code in it ("fenced") or a whole program ("whole"). `preamble` stands before
    every prompt (few-shot examples).
    """

    name: str
    stop: tuple[str, ...] = ()
    extraction: Literal["continue", "fenced", "whole"] = "continue"
    preamble: str = ""

    def code(self, response: str, entry_point: str) -> str:
        """The code in a response."""
        if self.extraction == "fenced":
            return fenced_code(response, entry_point)
        return until_stop(normalise(response), self.stop)


class Benchmark(Interface):
    """What every benchmark module offers."""

    NAME: str
    CPU_SECONDS: float
    PROTOCOLS: Mapping[str, Protocol]

    def problems(self, path: Path) -> Iterator[Problem]: ...

    def prompt(self, problem: Problem, protocol: Protocol) -> str: ...

    def program(self, problem: Problem, response: str, protocol: Protocol) -> Program: ...

    def tests(self, problem: Problem) -> Tests: ...


def benchmark(name: str) -> Benchmark:
    """The benchmark called `name`; raises BadInput for an unknown one."""
    if name not in BENCHMARKS:
        raise BadInput("benchmark", f"{name!r} is unknown", ", ".join(BENCHMARKS))
    module: Benchmark = importlib.import_module(f"tasks.benchmarks.{name}")
    return module


def protocol_id(
    name: str, protocol: Protocol, samples: int | str, temperature: float | None, limits: Limits
) -> str:
    """One line that says how a score came about; a different line means that scores do not compare."""
    stop = ",".join(repr(word) for word in protocol.stop) or "none"
    heat = "as given" if temperature is None else f"{temperature:g}"
    return (
        f"{name}/{protocol.name}: stop {stop}; extraction {protocol.extraction}; all tests must pass; "
        f"{limits.cpu_seconds:g} s CPU, {limits.memory_mb} MB; {samples} samples; temperature {heat}"
    )
