"""A sandbox per module, and the one problem that attacks and awkward programs are tried on: double a number."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.sandbox import AssertTests, CallTests, Case, Limits, Sandbox, StdioCase, StdioTests
from tasks.sandbox.program import Tests

HERE = Path(__file__).parent
QUICK = Limits(cpu_seconds=0.5, wall_seconds=4.0, memory_mb=256)

# reads its input the way a script would; appended to programs that define `double`
SCRIPT_TAIL = """

if __name__ == "__main__":
    for line in open(0):
        print(double(int(line)))
"""

CHECK = """
def check(candidate):
    assert candidate(1) == 2
    assert abs(candidate(5) - 10) < 1e-9
    assert candidate(21) == 42, "wrong"
"""

FORMS: dict[str, Tests] = {
    "calls": CallTests("double", tuple(Case((n,), 2 * n) for n in (1, 5, 21))),
    "asserts": AssertTests("double", ("check(candidate)",), CHECK),
    "beside": AssertTests(
        "double", ("assert double(1) == 2", "assert double(5) == 10"), "start = 1", beside_candidate=True
    ),
    "script": StdioTests((StdioCase("1\n5\n21\n", "2\n10\n42\n"),)),
}


def read_programs(folder: str) -> dict[str, str]:
    """File name to source of the programs in a folder beside this file."""
    return {path.stem: path.read_text() for path in sorted((HERE / folder).glob("*.py"))}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    os.environ["PSGPO_TEST_SECRET"] = "hunter2"
    with Sandbox.open(workers=2, limits=QUICK) as opened:
        yield opened
    del os.environ["PSGPO_TEST_SECRET"]
