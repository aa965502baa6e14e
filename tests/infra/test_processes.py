"""`down` ends everything the stack started, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.local import processes

SLEEP = "import time; time.sleep(60)"
PARENT = f"""
import subprocess, sys
subprocess.Popen([sys.executable, "-c", {SLEEP!r}], start_new_session=True, env={{}})
{SLEEP}
"""
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); {SLEEP}"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    processes.stop(tmp_path, patience=0)


def start(state: Path, program: str) -> subprocess.Popen[bytes]:
    return processes.start("test", [sys.executable, "-c", program], {}, state)


def wait_for(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def test_children_without_the_mark_are_found_by_descent(state: Path) -> None:
    start(state, PARENT)
    assert wait_for(lambda: len(processes.running(state)) == 2)
    assert processes.stop(state, patience=5) == 2
    assert processes.running(state) == []


def test_orphans_are_found_by_their_mark(state: Path) -> None:
    orphan = (
        f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}], start_new_session=True)"
    )
    start(state, orphan).wait()
    assert len(processes.running(state)) == 1
    assert processes.stop(state, patience=5) == 1
    assert processes.running(state) == []


def test_who_ignores_the_request_is_killed(state: Path) -> None:
    process = start(state, STUBBORN)
    assert wait_for(lambda: (state / "logs" / "test.log").read_bytes() == b"\n")
    assert processes.stop(state, patience=0.5) == 1
    assert process.wait(5) == -9


def test_another_stack_is_left_alone(state: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    process = start(other, SLEEP)
    try:
        assert processes.stop(state, patience=0) == 0
        assert process.poll() is None
    finally:
        assert processes.stop(other, patience=5) == 1
