"""The caller's side: order, look-ahead, handles, dying workers, refusal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.errors import BadInput
from tasks.sandbox import AssertTests, CallTests, Case, Limits, Program, Sandbox
from tests.sandbox.conftest import QUICK

ROOT = Path(__file__).resolve().parents[2]


def numbered(n: int, seconds: float = 0.0) -> Program:
    """A program whose verdict's detail tells which one it was."""
    code = f"import time\ndef f(x):\n    time.sleep({seconds})\n    return {n}"
    return Program(code, CallTests("f", (Case((0,), -1),)))


def detail(n: int) -> str:
    return f"test 1: returned {n}, expected -1"


def test_verdicts_come_in_order(sandbox: Sandbox) -> None:
    programs = [numbered(n, 0.05 if n % 3 == 0 else 0) for n in range(40)]
    assert [verdict.detail for verdict in sandbox.run(programs)] == [detail(n) for n in range(40)]


def test_programs_are_taken_a_bounded_number_ahead(sandbox: Sandbox) -> None:
    taken = 0

    def endless() -> Iterator[Program]:
        nonlocal taken
        while True:
            yield numbered(taken, 0.01)
            taken += 1

    verdicts = sandbox.run(endless())
    for n in range(30):
        assert next(verdicts).detail == detail(n)
        assert taken - n <= 8 * sandbox.workers
    verdicts.close()  # type: ignore[attr-defined]


def test_handles_are_answered_while_nobody_waits(sandbox: Sandbox) -> None:
    handles = [sandbox.submit(numbered(n)) for n in range(100)]
    deadline = time.monotonic() + 30
    while not all(handle.done() for handle in handles) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [handle.result().detail for handle in reversed(handles)] == [
        detail(n) for n in reversed(range(100))
    ]
    assert handles[0].result() is handles[0].result()


def test_two_threads_may_share_a_sandbox(sandbox: Sandbox) -> None:
    found: dict[int, list[str]] = {}

    def use(start: int) -> None:
        found[start] = [verdict.detail for verdict in sandbox.run(numbered(start + n) for n in range(20))]

    threads = [threading.Thread(target=use, args=(start,)) for start in (0, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {start: [detail(start + n) for n in range(20)] for start in (0, 100)}


def test_programs_own_limits_win(sandbox: Sandbox) -> None:
    loop = "def f(x):\n    while True:\n        pass"
    tests = CallTests("f", (Case((0,), 0),))
    short, long = sandbox.run([Program(loop, tests, Limits(cpu_seconds=0.1)), Program(loop, tests)])
    assert short.detail == "ran out of CPU time (0.1 s)"
    assert long.detail == f"ran out of CPU time ({QUICK.cpu_seconds:g} s)"


def _workers(marker: str) -> list[int]:
    """Workers (children of this process) and fork servers (grandchildren)."""
    listed = subprocess.run(
        ["ps", "-wweo", "pid,ppid,args"], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
    workers = [
        int(pid) for pid, parent, command in rows if int(parent) == os.getpid() and "start_worker" in command
    ]
    servers = [
        int(pid) for pid, parent, command in rows if int(parent) in workers and "start_worker" in command
    ]
    return workers if marker == "worker" else servers


@pytest.mark.parametrize("victim", ["worker", "fork server"])
def test_a_batch_survives_the_death_of_its_workers(victim: str) -> None:
    with Sandbox.open(workers=2, limits=QUICK) as sandbox:
        details = []
        for n, verdict in enumerate(sandbox.run(numbered(n, 0.02) for n in range(60))):
            details.append(verdict.detail)
            if n in (10, 30):
                os.kill(_workers(victim)[0], signal.SIGKILL)
    assert details == [detail(n) for n in range(60)]


def test_tests_that_end_the_examiner_get_no_verdict_and_harm_no_other(sandbox: Sandbox) -> None:
    deadly = Program("def f():\n    return 1", AssertTests("f", ("import os; os._exit(3)",)))
    verdicts = list(sandbox.run([numbered(0), deadly, numbered(1), deadly, numbered(2)]))
    assert [verdict.status for verdict in verdicts] == [
        "failed",
        "no_verdict",
        "failed",
        "no_verdict",
        "failed",
    ]
    assert [verdict.detail for verdict in verdicts[::2]] == [detail(n) for n in range(3)]


def test_closing_answers_what_is_under_way() -> None:
    sandbox = Sandbox.open(workers=1, limits=Limits(cpu_seconds=30, wall_seconds=30))
    handles = [sandbox.submit(numbered(n, 20)) for n in range(5)]
    time.sleep(0.3)
    started = time.monotonic()
    sandbox.close()
    assert time.monotonic() - started < 10
    assert {handle.result().status for handle in handles} == {"no_verdict"}
    with pytest.raises(BadInput, match="closed"):
        sandbox.submit(numbered(1))


def test_nothing_grows_with_the_number_of_programs(sandbox: Sandbox) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd")) + sum(
            len(os.listdir(f"/proc/{pid}/fd")) for pid in _workers("worker") + _workers("fork server")
        )

    list(sandbox.run(numbered(n) for n in range(20)))
    before = descriptors()
    list(sandbox.run(numbered(n) for n in range(200)))
    assert descriptors() == before
    assert len(_workers("fork server")) == sandbox.workers


def test_workers_end_with_the_caller() -> None:
    source = (
        "import os, sys; from tasks.sandbox import *; s = Sandbox.open(workers=1)\n"
        "s.submit(Program('while True: pass', CallTests('f', ()), Limits(cpu_seconds=60, wall_seconds=60)))\n"
        "import time; time.sleep(0.5); print(s._feeders[0]._worker.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    pid = int(done.stdout)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize(
    "isolation, missing",
    [("namespaces", "user namespaces are not available"), ("container", "landlock is not available")],
)
def test_refuses_where_isolation_is_missing(isolation: str, missing: str) -> None:
    """As in a container with an engine's default filter: unshare and landlock answer EPERM."""
    source = (
        "from tasks.sandbox import kernel, seccomp, syscalls\n"
        "def refuse(numbers):\n"
        "    program = seccomp._start(kernel.ARCHITECTURE)\n"
        "    for number in numbers: program += seccomp._if_number(number, [(6, 0, 0, seccomp._DENY)])\n"
        "    return seccomp._pack([*program, (6, 0, 0, seccomp._ALLOW)])\n"
        "kernel.bring_no_privileges_back()\n"
        "kernel.install_filter(refuse([97 if kernel.ARCHITECTURE == 'aarch64' else 272, 444]))\n"
        "from tasks.errors import BadInput\n"
        "from tasks.sandbox import Sandbox\n"
        "try:\n"
        f"    Sandbox.open(isolation={isolation!r})\n"
        "except BadInput as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert missing in done.stdout, done
    assert f"sandbox.isolation {isolation}" in done.stdout


def test_process_isolation_warns_at_every_start(capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        with Sandbox.open(isolation="process", workers=1, limits=QUICK) as sandbox:
            assert next(sandbox.run([numbered(3)])).detail == detail(3)
            assert sandbox.isolation == "process"
    assert capfd.readouterr().err.count("warning: sandbox isolation 'process'") == 2


@pytest.mark.parametrize("arguments", [{"isolation": "none"}, {"workers": 0}])
def test_bad_settings_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        Sandbox.open(**arguments)  # type: ignore[arg-type]


def test_importing_the_sandbox_is_light() -> None:
    source = "import sys; before = set(sys.modules); import tasks.sandbox; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, cwd=ROOT, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded - {"tasks"} <= set(sys.stdlib_module_names)
    assert "multiprocessing" not in loaded
