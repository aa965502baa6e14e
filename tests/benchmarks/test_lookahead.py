"""Order is kept, one slow program does not idle the other workers, and only so much is taken ahead."""

from __future__ import annotations

import time

from tasks.benchmarks.lookahead import Judged, in_order
from tasks.sandbox.program import CallTests, Case, Limits, Program, Verdict

TESTS = CallTests("f", (Case((), 1),))
RIGHT, WRONG = "def f():\n    return 1\n", "def f():\n    return 2\n"
SLOW = "def f():\n    while True: pass\n"


def test_verdicts_come_in_order_of_the_programs(sandbox):
    codes = [RIGHT, WRONG, RIGHT, RIGHT, WRONG] * 4
    found = in_order((number, sandbox.submit(Program(code, TESTS))) for number, code in enumerate(codes))
    assert [(number, verdict.passed) for number, verdict in found] == [
        (number, code is RIGHT) for number, code in enumerate(codes)
    ]


def test_what_is_behind_a_slow_program_runs_meanwhile(sandbox):
    slow = sandbox.submit(Program(SLOW, TESTS, Limits(cpu_seconds=2)))
    others = [sandbox.submit(Program(RIGHT, TESTS)) for _ in range(40)]
    verdicts = in_order((n, one) for n, one in enumerate([slow, *others]))
    assert next(verdicts)[1].status == "timeout"
    started = time.monotonic()
    assert all(verdict.passed for _, verdict in verdicts)
    assert time.monotonic() - started < 1, "the others had waited"


def test_no_more_than_so_many_are_taken_ahead():
    taken = []

    class Never(Judged):
        def done(self) -> bool:
            return False

    def submitted():
        for number in range(10):
            taken.append(number)
            yield number, Never(Verdict("passed", 1, 1, 0.0))

    verdicts = in_order(submitted(), ahead=3)
    assert next(verdicts)[0] == 0
    assert taken == [0, 1, 2]
    assert [number for number, _ in verdicts] == list(range(1, 10))
