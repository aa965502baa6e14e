"""Before a score is published, the grader proves itself on the very problems at hand.

References must pass; programs that are broken on purpose must not: the empty program, one whose results compare
equal to everything, the reference with every result wrapped in a list (or an extra line printed first). Problems
without tests are refused. What fails here is the benchmark file or the sandbox, and no score is worth printing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.benchmarks.lookahead import in_order
from tasks.benchmarks.problem_rows import test_count
from tasks.errors import BadInput, TryAgain
from tasks.problems import Problem
from tasks.sandbox.program import AssertTests, Program, StdioTests

if TYPE_CHECKING:
    from tasks.sandbox import Sandbox

SHOWN = 5  # failures named in the error
BROKEN = 50

ALWAYS_EQUAL = """class AlwaysEqual:
    __eq__ = __ge__ = __le__ = lambda self, other: True
    __ne__ = __gt__ = __lt__ = lambda self, other: False
    __hash__ = None
    __bool__ = lambda self: True
    __getattr__ = __getitem__ = __call__ = lambda self, *given, **named: self
"""


@dataclass(frozen=True)
class _Check:
    problem_id: str
    kind: str
    program: Program
    must_pass: bool


def prove_grader(problems: Sequence[Problem], sandbox: Sandbox, broken: int = BROKEN) -> dict[str, int]:
    """How many programs of each kind were judged as they must be.

    Every reference is run; `broken` problems, spread evenly, get the broken programs too.

    Raises BadInput, naming problems, when a reference fails, a broken program passes or a problem has no tests;
    TryAgain when all that is wrong is a sandbox that gave no verdict.
    """
    untested = [problem.problem_id for problem in problems if not test_count(problem.decoded_tests)]
    if untested:
        raise BadInput(
            "self-proof", f"problems without tests: {untested[:SHOWN]}", "at least one test per problem"
        )
    wrong: list[str] = []
    silent: list[str] = []
    judged: Counter[str] = Counter()
    checks = ((check, sandbox.submit(check.program)) for check in _checks(problems, broken))
    for check, verdict in in_order(checks):
        judged[check.kind] += 1
        if verdict.passed != check.must_pass or verdict.status == "no_verdict":
            told = f"{check.problem_id} {check.kind}: {verdict.status} {verdict.detail}".strip()[:300]
            (silent if verdict.status == "no_verdict" else wrong).append(told)
    if wrong:
        raise BadInput(
            "self-proof", f"{len(wrong)} programs misjudged, no score is published: {'; '.join(wrong[:SHOWN])}",
            "references pass, broken programs fail",
        )  # fmt: skip
    if silent:
        named = "; ".join(silent[:SHOWN])
        raise TryAgain(f"self-proof: {len(silent)} programs without verdict, no score is published: {named}")
    return {"problems": len(problems), **dict(sorted(judged.items()))}


def _checks(problems: Sequence[Problem], broken: int) -> Iterator[_Check]:
    for problem in problems[:: max(1, -(-len(problems) // max(broken, 1)))]:
        for kind, code in _broken(problem).items():
            yield _Check(problem.problem_id, kind, Program(code, problem.decoded_tests), must_pass=False)
    for problem in problems:
        if problem.reference is not None:
            yield _Check(problem.problem_id, "reference", problem.program(problem.reference), must_pass=True)


def _broken(problem: Problem) -> Mapping[str, str]:
    """Programs that must not pass, by kind."""
    whole = problem.prompt + (problem.reference or "")
    tests = problem.decoded_tests
    if isinstance(tests, StdioTests):
        return {"empty": "", "extra_line": f"print('an extra line')\n{whole}"}
    broken = {"empty": ""}
    if problem.reference is not None:
        broken["wrapped_result"] = whole + _redefined(problem.entry_point, "[{original}(*given, **named)]")
    if not (isinstance(tests, AssertTests) and tests.beside_candidate):
        broken["always_equal"] = ALWAYS_EQUAL + _redefined(problem.entry_point, "AlwaysEqual()")
    return broken


def _redefined(entry_point: str, result: str) -> str:
    """Source that defines the entry point (again) so that it returns `result`; `{original}` is what it was before."""
    name, _, method = entry_point.partition("().")
    if not method:
        body = result.format(original="_original")
        keep = f"_original = {name}\n" if "{original}" in result else ""
        return f"\n{keep}def {name}(*given, **named):\n    return {body}\n"
    base = name if "{original}" in result else "object"
    body = result.format(original=f"super().{method}")
    return f"\nclass {name}({base}):\n    def {method}(self, *given, **named):\n        return {body}\n"
