"""The execution cache: once per folder, never `no_verdict`, and a look at every hundredth hit."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tasks.errors import BadInput
from tasks.sandbox import AssertTests, CallTests, Case, Limits, Program, Sandbox
from tasks.sandbox.cache import RERUN_EVERY
from tests.sandbox.conftest import QUICK

TESTS = CallTests("f", (Case((1,), 2),))
# ran if the CPU time differs: two runs never use exactly the same
GOOD, BAD = Program("def f(n):\n    return 2 * n", TESTS), Program("def f(n):\n    return n", TESTS)


def open_with(folder: Path | None) -> Sandbox:
    return Sandbox.open(workers=1, limits=QUICK, cache=folder)


def test_the_same_program_is_run_once_per_folder(tmp_path: Path) -> None:
    with open_with(tmp_path) as sandbox:
        first = list(sandbox.run([GOOD, BAD, GOOD, BAD]))
    with open_with(tmp_path) as sandbox:
        second = list(sandbox.run([GOOD, BAD]))
    assert first[:2] == first[2:] == second
    assert [verdict.status for verdict in second] == ["passed", "failed"]


def test_control_without_a_cache_it_is_run_again() -> None:
    with open_with(None) as sandbox:
        verdicts = list(sandbox.run([GOOD] * 8))
    assert len({verdict.cpu_seconds for verdict in verdicts}) > 1


@pytest.mark.parametrize(
    "other",
    [
        Program(GOOD.code + "\n", TESTS),
        Program(GOOD.code, CallTests("f", (Case((1,), 2), Case((2,), 4)))),
        Program(GOOD.code, TESTS, Limits(cpu_seconds=0.7)),
    ],
)
def test_any_difference_is_another_program(tmp_path: Path, other: Program) -> None:
    with open_with(tmp_path) as sandbox:
        list(sandbox.run([GOOD, other]))
    with sqlite3.connect(tmp_path / "verdicts.sqlite") as database:
        assert database.execute("SELECT count(*) FROM verdicts").fetchone() == (2,)


def test_no_verdict_is_not_kept(tmp_path: Path) -> None:
    deadly = Program("def f():\n    return 1", AssertTests("f", ("import os; os._exit(3)",)))
    with open_with(tmp_path) as sandbox:
        assert next(sandbox.run([deadly])).status == "no_verdict"
    with sqlite3.connect(tmp_path / "verdicts.sqlite") as database:
        assert database.execute("SELECT count(*) FROM verdicts").fetchone() == (0,)


def test_a_changed_verdict_is_reported_as_flaky(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with open_with(tmp_path) as sandbox:
        list(sandbox.run([GOOD]))
    with sqlite3.connect(tmp_path / "verdicts.sqlite") as database:
        database.execute('UPDATE verdicts SET verdict = \'["failed", 0, 1, 0.0, "", null, "apart"]\'')
    with open_with(tmp_path) as sandbox:
        statuses = [next(sandbox.run([GOOD])).status for _ in range(RERUN_EVERY + 1)]
        assert len(sandbox.flaky) == 1
    assert statuses == ["failed"] * (RERUN_EVERY - 1) + ["passed"] * 2
    assert "flaky" in capfd.readouterr().err


def test_a_steady_verdict_is_not_flaky(tmp_path: Path) -> None:
    with open_with(tmp_path) as sandbox:
        for _ in range(RERUN_EVERY + 2):
            next(sandbox.run([GOOD]))
        assert sandbox.flaky == []


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cache"):
        open_with(tmp_path / "file" / "cache")
