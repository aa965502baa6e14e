"""The verdict rule: what each kind of program gets, in each form of test."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from tasks.sandbox import (
    AssertTests,
    CallTests,
    Case,
    Limits,
    Program,
    Sandbox,
    StdioCase,
    StdioTests,
    Verdict,
)
from tasks.sandbox.compare import same_output, same_value
from tasks.sandbox.detail import LONGEST, clean

SQUARE = CallTests("square", tuple(Case((n,), n * n) for n in range(4)))


def judge(sandbox: Sandbox, code: str, tests: object, limits: Limits | None = None) -> Verdict:
    return next(sandbox.run([Program(code, tests, limits)]))  # type: ignore[arg-type]


def test_passed_counts_every_case(sandbox: Sandbox) -> None:
    verdict = judge(sandbox, "def square(n):\n    return n * n", SQUARE)
    assert (verdict.status, verdict.tests_passed, verdict.tests_total) == ("passed", 4, 4)
    assert verdict.cpu_seconds > 0
    assert (verdict.detail, verdict.line, verdict.mode) == ("", None, "apart")


def test_failed_goes_on_with_the_other_cases(sandbox: Sandbox) -> None:
    verdict = judge(sandbox, "def square(n):\n    return n * n if n != 1 else 7", SQUARE)
    assert (verdict.status, verdict.tests_passed, verdict.tests_total) == ("failed", 3, 4)
    assert verdict.detail == "test 2: returned 7, expected 1"


def test_error_names_the_line(sandbox: Sandbox) -> None:
    verdict = judge(sandbox, "def square(n):\n    if n == 2:\n        return n / 0\n    return n * n", SQUARE)
    assert (verdict.status, verdict.tests_passed, verdict.line) == ("error", 3, 3)
    assert "ZeroDivisionError" in verdict.detail


def test_syntax_error_names_the_line(sandbox: Sandbox) -> None:
    verdict = judge(sandbox, "x = 1\ndef square(n) return n", SQUARE)
    assert (verdict.status, verdict.tests_passed, verdict.line) == ("error", 0, 2)


def test_timeout_keeps_what_passed_before(sandbox: Sandbox) -> None:
    verdict = judge(sandbox, "def square(n):\n    while n == 2:\n        pass\n    return n * n", SQUARE)
    assert (verdict.status, verdict.tests_passed) == ("timeout", 2)


def test_cpu_time_decides_not_wall_time(sandbox: Sandbox) -> None:
    code = "import time\ndef square(n):\n    time.sleep(0.3)\n    return n * n"
    assert judge(sandbox, code, SQUARE, Limits(cpu_seconds=0.5, wall_seconds=20)).passed
    verdict = judge(sandbox, code, SQUARE, Limits(cpu_seconds=0.5, wall_seconds=0.5))
    assert verdict.status == "timeout"
    assert "out of time" in verdict.detail


def test_wall_time_does_not_count_waiting_for_a_core(sandbox: Sandbox) -> None:
    """On a machine so busy that half a second of work takes longer than the program has."""
    code = "import time\ndef square(n):\n    while time.process_time() < 0.5:\n        pass\n    return n * n"
    idle = "import time\ndef square(n):\n    time.sleep(5)\n    return n * n"
    limits = Limits(cpu_seconds=3, wall_seconds=0.7)
    loop = [sys.executable, "-c", "while True: pass"]
    loops = [subprocess.Popen(loop) for _ in range(4 * (os.cpu_count() or 1))]
    try:
        for _ in range(20):  # the loops have to start first
            started = time.monotonic()
            assert judge(sandbox, code, SQUARE, limits).passed
            if time.monotonic() - started > limits.wall_seconds:
                break
        else:
            pytest.fail("the machine was never busy enough")
        assert judge(sandbox, idle, SQUARE, limits).detail == "ran out of time (0.7 s)"
    finally:
        for process in loops:
            process.kill()
            process.wait()


def test_memory_error_that_is_caught_is_no_verdict_on_memory(sandbox: Sandbox) -> None:
    code = """
def square(n):
    try:
        return bytearray(1 << 40)
    except MemoryError:
        return n * n
"""
    assert judge(sandbox, code, SQUARE).passed


@pytest.mark.parametrize(
    "tests",
    [
        CallTests("square", ()),
        AssertTests("square", ()),
        StdioTests(()),
        AssertTests("square", (), beside_candidate=True),
    ],
)
def test_no_tests_is_never_a_pass(sandbox: Sandbox, tests: object) -> None:
    verdict = judge(sandbox, "def square(n):\n    return n * n", tests)
    assert (verdict.status, verdict.tests_passed, verdict.tests_total) == ("error", 0, 0)


def test_tests_that_never_call_do_not_excuse_a_broken_program(sandbox: Sandbox) -> None:
    verdict = judge(sandbox, "raise ValueError", AssertTests("square", ("assert True",)))
    assert verdict.status == "error"


def test_prelude_helpers_are_the_prompts_not_the_candidates(sandbox: Sandbox) -> None:
    prelude = "def shift(n):\n    return n + 1\n\ndef unshift(n):\n    pass\n"
    tests = AssertTests(
        "unshift", ("check(candidate)",), "def check(f):\n    assert f(shift(4)) == 4", prelude
    )
    assert judge(sandbox, prelude + "\ndef unshift(n):\n    return n - 1", tests).passed
    cheat = "def shift(n):\n    return n\n\ndef unshift(n):\n    return n"
    assert judge(sandbox, cheat, tests).status == "failed"


def test_exceptions_cross_as_the_nearest_builtin(sandbox: Sandbox) -> None:
    source = (
        "def check(f):\n    try:\n        f(0)\n    except KeyError as error:\n        assert 'mine' in str(error)\n"
        "    else:\n        assert False\n"
    )
    tests = AssertTests("f", ("check(candidate)",), source)
    mine = "class Mine(KeyError):\n    pass\n\ndef f(n):\n    raise Mine('mine')"
    assert judge(sandbox, mine, tests).passed
    assert judge(sandbox, mine.replace("KeyError", "OSError"), tests).status == "error"
    assert judge(sandbox, "def f(n):\n    return 1", tests).status == "failed"


def test_tests_may_not_be_stopped_by_what_comes_back(sandbox: Sandbox) -> None:
    source = "def check(f):\n    n = f()\n    while n:\n        pass\n"
    verdict = judge(sandbox, "def f():\n    return 1", AssertTests("f", ("check(candidate)",), source))
    assert verdict.status == "timeout"
    power = AssertTests("f", ("assert 3 ** f() % 7 == 1",))
    assert judge(sandbox, "def f():\n    return 10 ** 8", power).status == "timeout"
    assert judge(sandbox, "def f():\n    return 6", power).passed


def test_an_exception_does_not_end_the_tests_loops(sandbox: Sandbox) -> None:
    """Raised through `map`, StopIteration would leave nothing to compare: all() of nothing is True."""
    calls = ("assert all(map(lambda n: candidate(n) == n * n, [1, 2, 3]))",)
    tests = AssertTests("square", calls)
    for kind in ("StopIteration", "StopAsyncIteration"):
        assert judge(sandbox, f"def square(n):\n    raise {kind}", tests).status == "error", kind
    assert judge(sandbox, "def square(n):\n    return n * n", tests).passed


def test_what_comes_back_may_not_take_the_examiners_memory(sandbox: Sandbox) -> None:
    tests = AssertTests("f", ("assert sorted(f()) == [0, 1]",))
    assert judge(sandbox, "def f():\n    return range(10 ** 9)", tests).status == "failed"
    assert judge(sandbox, "def f():\n    return range(2)", tests).passed


@pytest.mark.parametrize(
    "form", ["(n for n in (0, 1))", "map(int, '01')", "iter([0, 1])", "reversed((1, 0))"]
)
def test_iterators_cross(sandbox: Sandbox, form: str) -> None:
    code = f"def f():\n    return {form}"
    assert judge(sandbox, code, AssertTests("f", ("assert list(f()) == [0, 1]",))).passed
    assert judge(sandbox, code, AssertTests("f", ("assert f() == [0, 1]",))).status == "failed"
    endless = "import itertools\ndef f():\n    return itertools.repeat(0)"
    assert judge(sandbox, endless, AssertTests("f", ("assert 0 in f()",))).status == "error"


def test_tests_that_pass_a_function_need_the_second_mode(sandbox: Sandbox) -> None:
    code = "def apply(f, n):\n    return f(n)"
    calls = ("assert apply(lambda n: n + 1, 2) == 3",)
    apart = judge(sandbox, code, AssertTests("apply", calls))
    assert apart.status == "no_verdict"
    assert "beside_candidate" in apart.detail
    beside = judge(sandbox, code, AssertTests("apply", calls, beside_candidate=True))
    assert (beside.status, beside.mode) == ("passed", "beside")


CLASSES = """
class Node:
    def __init__(self, value):
        self.value = value

def read(node):
    return node.value
"""


def test_second_mode_runs_setup_after_the_candidate(sandbox: Sandbox) -> None:
    tests = AssertTests(
        "read", ("assert read(root) == 4", "assert (read(root)) is 4 "), "root = Node(4)", "", True
    )
    verdict = judge(sandbox, CLASSES, tests)
    assert (verdict.status, verdict.tests_passed, verdict.mode) == ("passed", 2, "beside")
    assert judge(sandbox, CLASSES.replace("node.value", "5"), tests).status == "failed"


def test_second_mode_compares_here(sandbox: Sandbox) -> None:
    liar = (
        "class Yes:\n    def __eq__(self, other):\n        return True\n\ndef read(node):\n    return Yes()\n"
    )
    for call in ("assert read(1) == 4", "assert 4 == read(1)", "assert read(1) is True"):
        assert not judge(sandbox, liar, AssertTests("read", (call,), "", "", True)).passed, call


def test_methods_are_called_on_a_new_instance(sandbox: Sandbox) -> None:
    code = """
class Solution:
    def __init__(self):
        self.seen = []

    def f(self, n):
        self.seen.append(n)
        return self.seen
"""
    tests = CallTests("Solution().f", (Case((1,), [1]), Case((2,), [2])))
    assert judge(sandbox, code, tests).passed


@pytest.mark.parametrize(
    "value, expected, right",
    [
        (True, 1, True),
        (1, 1.0, True),
        ((1, 2), [1, 2], False),
        ([1, [2.0]], [1, [2]], True),
        ("1", 1, False),
        (None, False, False),
        (float("nan"), float("nan"), True),
        ([float("nan")], [1.0], False),
        ({1: 2}, {True: 2.0}, True),
    ],
)
def test_values_compare_as_in_python(value: object, expected: object, right: bool) -> None:
    assert same_value(value, expected) is right


def test_methods_may_return_a_tuple_for_a_list() -> None:
    assert same_value((1, 2), [1, 2], method=True)
    assert not same_value(((1,), 2), [[1], 2], method=True)


@pytest.mark.parametrize(
    "text, expected, right",
    [
        ("1\n2\n", "1\n2", True),
        (" 1 \r\n2", "1\n2\n\n", True),
        ("1.0 2", "1 2.00", True),
        ("1e0", "1", True),
        ("YES", "yes", False),
        ("1 2", "1\n2", False),
        ("1\n\n2", "1\n2", False),
        ("", "1", False),
        ("sNaN", "1", False),
        ("1e999999999", "1", False),
        ("a 1.0", "a 1", False),
    ],
)
def test_output_rule(text: str, expected: str, right: bool) -> None:
    assert same_output(text, expected) is right


def test_detail_is_one_printable_line_of_bounded_length() -> None:
    text = clean("\x00\x1b[31m\n<object at 0x7f3a12345678> /tmp/tmpab12/x pid 4711 " + "x" * 10_000)
    assert len(text) <= LONGEST
    assert text.isprintable()
    for part in ("0x7f3a", "tmpab12", "4711"):
        assert part not in text
    assert clean("\ud800") == "\\ud800"


def test_details_are_the_same_on_every_run(sandbox: Sandbox) -> None:
    code = (
        "import os, tempfile\ndef square(n):\n"
        "    raise ValueError(object(), os.getpid(), tempfile.mkdtemp(), {'a', 'b', 'c'}, id(n))"
    )
    details = {verdict.detail for verdict in sandbox.run([Program(code.replace(", id(n)", ""), SQUARE)] * 6)}
    assert len(details) == 1, details


def test_random_numbers_are_the_same_on_every_run(sandbox: Sandbox) -> None:
    code = "import random\ndef square(n):\n    return random.random()"
    assert len({verdict.detail for verdict in sandbox.run([Program(code, SQUARE)] * 4)}) == 1


def test_scripts_stop_at_the_first_timeout(sandbox: Sandbox) -> None:
    cases = tuple(StdioCase(str(n), str(n)) for n in range(50))
    code = "n = int(input())\nwhile n == 1:\n    pass\nprint(n)"
    verdict = judge(sandbox, code, StdioTests(cases))
    assert (verdict.status, verdict.tests_passed, verdict.tests_total) == ("timeout", 1, 50)
