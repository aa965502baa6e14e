"""Programs that look suspicious or are written strangely, and are right: all pass."""

from __future__ import annotations

import pytest

from tasks.sandbox import CallTests, Case, Program, Sandbox, StdioCase, StdioTests
from tests.sandbox.conftest import FORMS, SCRIPT_TAIL, read_programs

AWKWARD = read_programs("awkward")
HONEST = "def double(n):\n    return 2 * n\n"


@pytest.mark.parametrize("form", ["calls", "asserts", "beside"])
@pytest.mark.parametrize("name", sorted(AWKWARD))
def test_awkward_program_passes(sandbox: Sandbox, name: str, form: str) -> None:
    verdict = next(sandbox.run([Program(AWKWARD[name], FORMS[form])]))
    assert verdict.passed, verdict


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n"])
def test_line_endings_do_not_matter(sandbox: Sandbox, ending: str) -> None:
    source = ending.join(["def double(n):", "\tif n:", "\t\treturn 2 * n", "\treturn 0", ""])
    assert next(sandbox.run([Program(source, FORMS["calls"])])).passed


SCRIPTS = {
    "lines": "import sys\nfor line in sys.stdin:\n    print(2 * int(line))",
    "open_zero": "print(*(2 * int(x) for x in open(0).read().split()), sep='\\n')",
    "buffer": "import sys\nwhile line := sys.stdin.buffer.readline():\n"
    "    sys.stdout.buffer.write(b'%d\\n' % (2 * int(line)))",
    "os_write": "import os, sys\nfor line in sys.stdin:\n    os.write(1, b'%d\\n' % (2 * int(line)))",
    "os_read": "import os\ndata = os.read(0, 100)\nprint('\\n'.join(str(2 * int(x)) for x in data.split()))",
    "input": "try:\n    while True:\n        print(2 * int(input()))\nexcept EOFError:\n    pass",
    "exit": "import sys\nfor line in sys.stdin:\n    print(2 * int(line))\nsys.exit()",
    "quit": "for line in open(0):\n    print(2 * int(line))\nquit()",
    "os_exit": "import os, sys\nfor line in sys.stdin:\n    print(2 * int(line), flush=True)\nos._exit(0)",
    "thread": "import threading, sys\n"
    "threading.Thread(target=lambda: [print(2 * int(line)) for line in sys.stdin]).start()",
    "atexit": "import atexit, sys\nout = []\natexit.register(lambda: print('\\n'.join(out)))\n"
    "for line in sys.stdin:\n    out.append(str(2 * int(line)))",
    "stderr": "import sys\nfor line in sys.stdin:\n    print('debug' * 1000, file=sys.stderr)\n    print(2 * int(line))",
    "fileinput": "import fileinput\nfor line in fileinput.input():\n    print(2 * int(line))",
    "no_newline_at_end": "import sys\nsys.stdout.write('2\\n10\\n42')",
    "spaces": "print('2 \\n 10\\n42\\n\\n')",
    "decimals": "print('2.0\\n10.00\\n42')",
    "recursion": "import sys\nsys.setrecursionlimit(5000)\ndef f(n):\n    return 0 if n == 0 else 1 + f(n - 1)\n"
    "assert f(4000) == 4000\nfor line in sys.stdin:\n    print(2 * int(line))",
}


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_script_passes(sandbox: Sandbox, name: str) -> None:
    verdict = next(sandbox.run([Program(SCRIPTS[name], FORMS["script"])]))
    assert verdict.passed, verdict


@pytest.mark.parametrize("name", ["exit_in_main_guard", "main_guard_lines"])
def test_script_with_a_main_guard_passes(sandbox: Sandbox, name: str) -> None:
    assert next(sandbox.run([Program(AWKWARD[name], FORMS["script"])])).passed


def test_ten_megabytes_in_and_out(sandbox: Sandbox) -> None:
    text = "0123456789" * 1_000_000
    tests = StdioTests((StdioCase(text, text),))
    source = "import sys\nsys.stdout.write(sys.stdin.read())"
    assert next(sandbox.run([Program(source, tests)])).passed


def test_input_that_nobody_reads(sandbox: Sandbox) -> None:
    tests = StdioTests((StdioCase("x" * 1_000_000, "done"),))
    assert next(sandbox.run([Program("print('done')", tests)])).passed


def test_output_before_any_input_is_read(sandbox: Sandbox) -> None:
    source = "import sys\nprint('y' * 500_000, flush=True)\nprint(len(sys.stdin.read()))"
    tests = StdioTests((StdioCase("x" * 500_000, "y" * 500_000 + "\n500000"),))
    assert next(sandbox.run([Program(source, tests)])).passed


def test_control_wrong_output_fails(sandbox: Sandbox) -> None:
    for source in ("print(2)", "print('2\\n10\\n42\\n43')", "print('2 10 42')", ""):
        assert next(sandbox.run([Program(source, FORMS["script"])])).status == "failed", source


@pytest.mark.parametrize("depth", [900, 980])
def test_recursion_depth_is_the_programs_own(sandbox: Sandbox, depth: int) -> None:
    source = "def f(n):\n    return 0 if n == 0 else 1 + f(n - 1)\n"
    assert next(sandbox.run([Program(source, CallTests("f", (Case((depth,), depth),)))])).passed


def test_recursion_limit_is_pythons(sandbox: Sandbox) -> None:
    source = "def f(n):\n    return 0 if n == 0 else 1 + f(n - 1)\n"
    verdict = next(sandbox.run([Program(source, CallTests("f", (Case((1100,), 1100),)))]))
    assert verdict.status == "error"
    assert "RecursionError" in verdict.detail


def test_control_honest_program(sandbox: Sandbox) -> None:
    assert next(sandbox.run([Program(HONEST + SCRIPT_TAIL, FORMS["script"])])).passed
