"""Poisoned problems: tests that hang, eat memory, kill the sandbox or give another verdict the next time.

A reference that fails its own tests every time is its author's to mend, and stops a run. Of a poisoned problem nobody
knows whether program, tests or limits are at fault, and in training it would only cost time and teach noise: it is put
aside, told of, and the rest goes on, as long as it is a small share of all problems.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.problems import Problem
    from tasks.sandbox import Sandbox, Verdict

QUARANTINE = "quarantine.json"
POISON = ("timeout", "memory", "no_verdict")
"""Verdicts that a reference should not have whatever is wrong with it."""
PASSES = 2
"""Every reference is run so often: a verdict may change."""
MORE_PASSES = 3
"""So often again where none was passed: a coin seldom falls alike five times."""


@dataclass(frozen=True)
class Aside:
    """A problem that was put aside, and why."""

    problem_id: str
    split: str
    reason: str


@dataclass(frozen=True)
class Checked:
    """What came of running references: reasons by problem id. `no_verdict`: poisoned ones that were never judged at all."""

    failing: Mapping[str, str]
    poisoned: Mapping[str, str]
    no_verdict: int


def check_references(problems: Sequence[Problem], sandbox: Sandbox) -> Checked:
    """Run every reference against its own tests, several times; problems without a reference are not judged.

    Reasons name the problem again: messages show reasons only.
    """
    judged = {problem.problem_id: problem for problem in problems if problem.reference is not None}
    verdicts: dict[str, list[Verdict]] = {name: [] for name in judged}
    _run(judged, verdicts, sandbox, PASSES)
    again = {name: judged[name] for name, found in verdicts.items() if _undecided(found)}
    _run(again, verdicts, sandbox, MORE_PASSES)
    failing: dict[str, str] = {}
    poisoned: dict[str, str] = {}
    for name, found in verdicts.items():
        if reason := _poison(found):
            poisoned[name] = f"{name}: reference solution: {reason}"
        elif not _all_passed(found):
            failing[name] = f"{name}: reference solution: {_told(found[0])}"
    unjudged = sum(all(one.status == "no_verdict" for one in verdicts[name]) for name in poisoned)
    return Checked(failing, poisoned, unjudged)


def most_allowed(share: float, problems: int) -> int:
    """How many of so many problems may be put aside: `share` of them, rounded up."""
    return math.ceil(share * problems - 1e-9)


def write_quarantine(aside: Sequence[Aside], folder: Path) -> None:
    """No file where nothing was put aside."""
    if aside:
        text = json.dumps([asdict(one) for one in aside], indent=1, sort_keys=True)
        (folder / QUARANTINE).write_text(text)


def read_quarantine(folder: Path) -> list[Aside]:
    """What was put aside when the problems in `folder` were made."""
    path = folder / QUARANTINE
    return [Aside(**one) for one in json.loads(path.read_text())] if path.is_file() else []


def _run(
    problems: Mapping[str, Problem], verdicts: Mapping[str, list[Verdict]], sandbox: Sandbox, passes: int
) -> None:
    for _ in range(passes):
        programs = (problem.program(problem.reference or "") for problem in problems.values())
        for name, verdict in zip(problems, sandbox.run(programs), strict=True):
            verdicts[name].append(verdict)


def _all_passed(verdicts: Sequence[Verdict]) -> bool:
    """Among those that are verdicts: the infrastructure may fail once."""
    return all(one.passed for one in verdicts if one.status != "no_verdict")


def _undecided(verdicts: Sequence[Verdict]) -> bool:
    """Another run could tell more; one that hangs is not run again and again."""
    statuses = {one.status for one in verdicts}
    return "passed" not in statuses and not statuses & {"timeout", "memory"}


def _poison(verdicts: Sequence[Verdict]) -> str:
    """Why the problem is poisoned; empty where it is not."""
    real = [one for one in verdicts if one.status != "no_verdict"]
    if not real:
        return _told(verdicts[0])
    if len({one.passed for one in real}) > 1:
        return f"passed {sum(one.passed for one in real)} times of {len(real)}"
    return next((_told(one) for one in real if one.status in POISON), "")


def _told(verdict: Verdict) -> str:
    text = f"{verdict.status}, {verdict.tests_passed}/{verdict.tests_total} tests passed; {verdict.detail}"
    return text.rstrip("; ")
