"""Attacks: none passes in any form of test, none harms, none outlives its program."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tasks.sandbox import Program, Sandbox, Verdict
from tests.sandbox.conftest import FORMS, QUICK, SCRIPT_TAIL, read_programs

ATTACKS = read_programs("attacks")
HONEST = "def double(n):\n    return 2 * n\n"

MADE_HERE = {
    "null_bytes": "def double(n):\n    return '\0'\n",
    "null_byte_source": HONEST + "\0",
    "lone_surrogate_source": "def double(n):\n    return '\ud800'\n",
    "parentheses": "double = " + "(" * 20_000 + "1" + ")" * 20_000,
    "brackets": "double = " + "[" * 20_000,
    "long_source": "x = 1\n" * 1_000_000,
    "long_line": "x = '" + "y" * 6_000_000 + "'\n",
    "long_sum": "x = " + "+".join("1" for _ in range(100_000)),
    "empty": "",
    "binary": bytes(range(1, 256)).decode("latin-1"),
}
EVERY = {**ATTACKS, **MADE_HERE}


def as_form(source: str, form: str) -> Program:
    return Program(source + SCRIPT_TAIL if form == "script" else source, FORMS[form])


@pytest.fixture(scope="module")
def verdicts(sandbox: Sandbox) -> dict[tuple[str, str], Verdict]:
    """Every attack in every form, in one batch; each is followed by an honest program."""
    names = [(name, form) for name in EVERY for form in FORMS]
    programs = [
        program for name, form in names for program in (as_form(EVERY[name], form), as_form(HONEST, form))
    ]
    listed = list(sandbox.run(programs))
    after = dict(zip(((*pair, "after") for pair in names), listed[1::2], strict=True))
    return {**dict(zip(names, listed[::2], strict=True)), **after}


def test_battery_is_large() -> None:
    assert len(EVERY) >= 60


@pytest.mark.parametrize("name", sorted(EVERY))
@pytest.mark.parametrize("form", sorted(FORMS))
def test_attack_does_not_pass(verdicts: dict[tuple[str, str], Verdict], name: str, form: str) -> None:
    verdict = verdicts[name, form]
    assert not verdict.passed, verdict
    assert verdict.status != "no_verdict", verdict
    assert len(verdict.detail) <= 500
    assert verdict.detail.isprintable()


@pytest.mark.parametrize("form", sorted(FORMS))
def test_honest_programs_in_between_pass(verdicts: dict[tuple[str, str], Verdict], form: str) -> None:
    failing = {
        name: verdicts[name, form, "after"] for name in EVERY if not verdicts[name, form, "after"].passed
    }
    assert failing == {}


STATUS = {
    "endless_loop": "timeout",
    "endless_load": "timeout",
    "cancel_timers": "timeout",
    "ignore_all_signals": "timeout",
    "raise_limits": "timeout",
    "c_loop": "timeout",
    "big_power": "timeout",
    "sleep": "timeout",
    "memory_bomb": "memory",
    "memory_bomb_slow": "memory",
    "memory_bomb_forked": "memory",
    "memory_bomb_hidden": "memory",
    "children_loop": "timeout",
    "output_bomb": "output",
    "output_bomb_stderr": "output",
    "value_bomb": "output",
    "fake_equality_int": "failed",
    "fake_equality_list": "failed",
    "segfault": "error",
    "sys_exit_zero": "error",
    "os_exit_zero": "error",
    "syntax_error": "error",
    "write_every_descriptor": "output",  # its text reads as a message of gigabytes
}


@pytest.mark.parametrize("name", sorted(STATUS))
def test_status_says_what_happened(verdicts: dict[tuple[str, str], Verdict], name: str) -> None:
    assert verdicts[name, "calls"].status == STATUS[name], verdicts[name, "calls"]


def test_no_process_is_left(sandbox: Sandbox, verdicts: dict[tuple[str, str], Verdict]) -> None:
    allowed = 2 * sandbox.workers  # a worker and its fork server each
    deadline = time.monotonic() + 5
    while (left := _descendants(os.getpid(), "start_worker")) > allowed and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left <= allowed


def test_no_file_is_left_on_the_host(verdicts: dict[tuple[str, str], Verdict]) -> None:
    wanted = ("psgpo-was-here", "harmed", "answer", "large", "disk", "here.txt")
    places = [Path(folder) / name for folder in ("/", "/tmp", "/etc", "/root", "/usr/lib") for name in wanted]
    assert [place for place in places if _exists(place)] == []


def test_control_the_honest_program_is_not_refused(sandbox: Sandbox) -> None:
    """Negative control: the battery fails for what attacks do, not because nothing passes."""
    for form in FORMS:
        assert next(sandbox.run([as_form(HONEST, form)])).passed
    assert QUICK.cpu_seconds <= 1


def _exists(place: Path) -> bool:
    try:
        return place.exists()
    except PermissionError:
        return False


def _descendants(root: int, marker: str) -> int:
    """Living processes below `root` whose command line has `marker`."""
    parents, marked = {}, set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                if stat[0] == "Z":
                    continue
                parents[int(entry.name)] = int(stat[1])
                if marker in (entry / "cmdline").read_text():
                    marked.add(int(entry.name))
            except OSError:
                continue
    return sum(_is_below(pid, root, parents) for pid in marked)


def _is_below(pid: int, root: int, parents: dict[int, int]) -> bool:
    while pid in parents:
        pid = parents[pid]
        if pid == root:
            return True
    return False
