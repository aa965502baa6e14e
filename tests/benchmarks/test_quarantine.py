"""References are run: who fails is named, who is poisoned is told apart, and nobody else is."""

from __future__ import annotations

import pytest

from tasks.benchmarks.quarantine import (
    Aside,
    check_references,
    most_allowed,
    read_quarantine,
    write_quarantine,
)
from tasks.problems import Problem
from tasks.sandbox import CallTests, Case, Limits, Program, Sandbox, Verdict
from tasks.sandbox import tests_to_json as encode

TESTS = encode(CallTests("f", (Case((2,), 4),)))
RIGHT = "    return 2 * n\n"
WRONG = "    return 3 * n\n"
HANGS = "    while True:\n        pass\n"
EATS = "    return sum(bytearray(1 << 36)) + n\n"
# the clock as a coin: random numbers are the same in every run
COIN = "    import time\n    return 2 * n + time.perf_counter_ns() // 1000 % 2\n"


def problem(name: str, reference: str | None) -> Problem:
    return Problem(name, "def f(n):\n", "f", TESTS, reference, 1, "train", "file", "MIT")


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox.open(
        isolation="namespaces", workers=2, limits=Limits(cpu_seconds=1, memory_mb=256)
    ) as opened:
        yield opened


def test_who_fails_every_time_is_no_poison(sandbox):
    asked = [
        problem("right", RIGHT),
        problem("wrong", WRONG),
        problem("silent", None),
        problem("hangs", HANGS),
    ]
    asked += [problem("eats", EATS)]
    checked = check_references(asked, sandbox)
    assert set(checked.failing) == {"wrong"}
    assert checked.failing["wrong"].startswith("wrong: reference solution: failed, 0/1 tests passed")
    assert set(checked.poisoned) == {"hangs", "eats"}
    assert "timeout" in checked.poisoned["hangs"]
    assert "memory" in checked.poisoned["eats"]
    assert checked.no_verdict == 0


def test_a_verdict_that_changes_is_poison(sandbox):
    """Of 24 coins a quarter passes both times; that one lands alike five times is seldom."""
    checked = check_references([problem(f"c{number}", COIN) for number in range(24)], sandbox)
    assert len(checked.poisoned) > 8
    assert len(checked.failing) < 6
    assert all("times of" in reason for reason in checked.poisoned.values())


class Saying:
    """A sandbox that gives the verdicts it is told, in turn, for every reference."""

    def __init__(self, **verdicts: list[str]) -> None:
        self.verdicts = {name: iter(told) for name, told in verdicts.items()}

    def run(self, programs):
        for program in programs:
            assert isinstance(program, Program)
            status = next(self.verdicts[program.code.removeprefix("def f(n):\n")])
            yield Verdict(status, int(status == "passed"), 1, 0.0, "")


def test_a_failing_infrastructure_is_not_the_problems_fault():
    saying = Saying(
        once=["no_verdict", "passed"],
        wrong=["no_verdict", "failed", "failed", "failed", "failed"],
        never=["no_verdict"] * 5,
        late=["failed", "failed", "failed", "failed", "passed"],
    )
    checked = check_references([problem(name, name) for name in ("once", "wrong", "never", "late")], saying)
    assert set(checked.failing) == {"wrong"}
    assert set(checked.poisoned) == {"never", "late"}
    assert checked.poisoned["late"] == "late: reference solution: passed 1 times of 5"
    assert checked.no_verdict == 1


@pytest.mark.parametrize(
    ("share", "problems", "most"), [(0.02, 150, 3), (0.02, 30, 1), (0.0, 30, 0), (1.0, 7, 7)]
)
def test_a_share_of_few_problems_is_one(share, problems, most):
    assert most_allowed(share, problems) == most


def test_nothing_is_written_for_nothing(tmp_path):
    write_quarantine([], tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert read_quarantine(tmp_path) == []
    aside = [Aside("p", "train", "p: hangs")]
    write_quarantine(aside, tmp_path)
    assert read_quarantine(tmp_path) == aside
