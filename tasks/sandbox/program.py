"""What goes into the sandbox and what comes out: programs with their tests, limits, verdicts.

Three forms of test, after what the public benchmarks use (`docs/sandbox.md`):

    CallTests     entry_point(*args) == expected                  StepCode, LiveCodeBench functional
    AssertTests   a test program that calls the candidate         HumanEval `check(candidate)`, MBPP asserts
    StdioTests    whole program, stdin in, stdout out             LiveCodeBench stdin, APPS, CodeContests

Values in `args` and `expected` are plain builtins (None, bool, int, float incl. nan and inf, complex, str,
bytes, list, tuple, set, frozenset, dict). `tests_to_json` and `tests_from_json` are how tests are kept in
rows; both ends are exact (a tuple stays a tuple).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["passed", "failed", "error", "timeout", "memory", "output", "no_verdict"]
STATUSES: tuple[Status, ...] = ("passed", "failed", "error", "timeout", "memory", "output", "no_verdict")


@dataclass(frozen=True)
class Case:
    """One call: entry_point(*args, **kwargs) must equal `expected`."""

    args: tuple[Any, ...]
    expected: Any
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CallTests:
    """Functional tests. `entry_point` is a function name or `Class().method`."""

    entry_point: str
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class AssertTests:
    """A test program run by the examiner, outside the candidate's reach.

    `prelude` is trusted source run first in the examiner (helpers that the prompt defines and the tests use);
    `source` is the test program; each of `calls` is a statement run after it, counted as one test
    (`check(candidate)` for HumanEval, each assert for MBPP). `entry_point` names the candidate's function; in
    the examiner both that name and `candidate` are a stub that calls across. With `beside_candidate` the tests run
    in the candidate's own process (second mode: tests that need the candidate's classes); the verdict is marked.
    """

    entry_point: str
    calls: tuple[str, ...]
    source: str = ""
    prelude: str = ""
    beside_candidate: bool = False


@dataclass(frozen=True)
class StdioCase:
    stdin: str
    expected: str


@dataclass(frozen=True)
class StdioTests:
    """Whole programs: outputs compare as stripped lines, or as decimals (LiveCodeBench's rule)."""

    cases: tuple[StdioCase, ...]


Tests = CallTests | AssertTests | StdioTests


@dataclass(frozen=True)
class Limits:
    """Per program. CPU time decides; wall time is a backstop, in which time spent waiting for a core does not count.

    `memory_mb`, and `cpu_seconds`, hold for each process and for all processes of a program together.
    """

    cpu_seconds: float = 4.0
    wall_seconds: float = 20.0
    memory_mb: int = 512
    processes: int = 32
    open_files: int = 64
    file_mb: int = 16
    output_kb: int = 16384


@dataclass(frozen=True)
class Program:
    """Candidate source and its tests. `limits` None: the sandbox's own."""

    code: str
    tests: Tests
    limits: Limits | None = None


@dataclass(frozen=True)
class Verdict:
    """What the sandbox says of one program. `no_verdict` is our fault and never scored as wrong.

    `passed` holds only if at least one test ran and all passed. `cpu_seconds` is the candidate's. `detail` is
    capped and escaped. `line`: 1-based line of the candidate's source that raised, where known (RLTF, 2307.04349).
    `mode` is "apart" (tests outside the candidate's process) or "beside" (second mode).
    """

    status: Status
    tests_passed: int
    tests_total: int
    cpu_seconds: float
    detail: str = ""
    line: int | None = None
    mode: Literal["apart", "beside"] = "apart"

    @property
    def passed(self) -> bool:
        return self.status == "passed"
