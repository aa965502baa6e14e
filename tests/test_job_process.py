"""A job's process: its lines, its result, its limits, its end. Real processes, tiny programs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from tasks.job_process import JobProcess, Outcome
from tasks.jobs import ProcessCall


def call(program: str, memory_mb: int = 1000, timeout: float = 30.0) -> ProcessCall:
    return ProcessCall((sys.executable, "-u", "-c", program), dict(os.environ), memory_mb, timeout)


def run(program: str, grace: float = 1.0, **limits: float) -> tuple[Outcome, list[str]]:
    lines: list[str] = []
    outcome = JobProcess(call(program, **limits), grace).run(lines.append)
    return outcome, lines


def test_last_stdout_line_is_the_envelope() -> None:
    outcome, _ = run("print('noise'); print('{\"artifact\": \"uri\"}')")
    assert outcome == Outcome(0, "", {"artifact": "uri"})


@pytest.mark.parametrize("printed", ["", "print('done')", "print('[1]')", "print('{\"cut')"])
def test_no_envelope_without_an_object(printed: str) -> None:
    outcome, _ = run(printed)
    assert outcome == Outcome(0, "", None)


def test_lines_of_stderr_arrive_whole_and_in_order() -> None:
    _, lines = run("""
import sys, time
for n in range(3):
    print(f"line {n}", end="", file=sys.stderr, flush=True)
    time.sleep(.05)
    print(file=sys.stderr)
sys.stderr.write("a\\rb\\n\\nend without newline")
""")
    assert lines == ["line 0", "line 1", "line 2", "a", "b", "end without newline"]


def test_lines_arrive_while_the_job_runs() -> None:
    seen: list[float] = []
    started = time.monotonic()
    JobProcess(call("import sys,time; print('first', file=sys.stderr, flush=True); time.sleep(1.5)")).run(
        lambda _: seen.append(time.monotonic() - started)
    )
    assert seen[0] < 1.2


@pytest.mark.parametrize("end", ["", "os.kill(os.getpid(), 9)"])
def test_no_temporary_file_is_left_of_a_job_not_even_of_a_killed_one(end: str) -> None:
    _, (folder,) = run(f"""
import os, sys, tempfile
folder = tempfile.mkdtemp()
open(folder + "/large", "w").close()
print(folder, file=sys.stderr, flush=True)
{end}
""")
    assert Path(folder).parent.name.startswith("psgpo-job-")
    assert not Path(folder).parent.exists()


def test_exit_code_is_kept() -> None:
    outcome, lines = run("import sys; print('error: bad', file=sys.stderr); sys.exit(64)")
    assert (outcome.code, outcome.stopped, lines) == (64, "", ["error: bad"])


def test_timeout_lets_the_job_save_first() -> None:
    program = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("saved", file=sys.stderr), sys.exit(75)))
time.sleep(30)
"""
    outcome, lines = run(program, timeout=2.0)
    assert (outcome.code, outcome.stopped, lines) == (75, "timeout: not done after 2 s", ["saved"])


def test_a_job_that_ignores_the_request_is_killed() -> None:
    program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    started = time.monotonic()
    outcome, _ = run(program, timeout=2.0, grace=0.5)
    assert outcome.code == -signal.SIGKILL
    assert time.monotonic() - started < 20


def test_memory_of_all_processes_counts() -> None:
    child = "import time; held = bytearray(80_000_000); time.sleep(30)"
    program = f"""
import subprocess, sys
children = [subprocess.Popen([sys.executable, "-c", {child!r}]) for _ in range(2)]
children[0].wait()
"""
    outcome, _ = run(program, memory_mb=120)
    assert outcome.stopped.startswith("memory: ")
    assert outcome.stopped.endswith("limit 120 MB")


def test_memory_below_the_limit_is_left_alone() -> None:
    outcome, _ = run("import time; held = bytearray(80_000_000); time.sleep(3)", memory_mb=200)
    assert outcome.stopped == ""


def test_stop_from_another_thread() -> None:
    job = JobProcess(call("import time; time.sleep(30)"), grace=1.0)
    threading.Timer(0.7, job.stop, ["the task was stopped"]).start()
    outcome = job.run(lambda _: None)
    assert (outcome.code, outcome.stopped) == (-signal.SIGTERM, "the task was stopped")


def test_nothing_the_job_started_outlives_it(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    program = f"""
import pathlib, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stderr=subprocess.DEVNULL)
pathlib.Path({str(note)!r}).write_text(str(child.pid))
"""
    run(program)
    pid = int(note.read_text())
    time.sleep(0.2)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_an_exception_in_the_runner_ends_the_job() -> None:
    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    job = JobProcess(
        call("import sys,time; print('here', file=sys.stderr, flush=True); time.sleep(30)"), grace=1.0
    )
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        job.run(interrupted)
    assert time.monotonic() - started < 10


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_the_job_is_asked_to_stop_when_its_runner_is_killed(tmp_path: Path) -> None:
    told = tmp_path / "told"
    job = f"""
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(told)!r}).touch(), sys.exit()))
print("up", file=sys.stderr, flush=True)
time.sleep(30)
"""
    runner = f"""
import os, sys
from tasks.job_process import JobProcess
from tasks.jobs import ProcessCall
call = ProcessCall((sys.executable, "-c", {job!r}), dict(os.environ), 1000, 30)
JobProcess(call).run(lambda line: print(line, flush=True))
"""
    with subprocess.Popen([sys.executable, "-c", runner], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.kill()
    deadline = time.monotonic() + 5
    while not told.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert told.exists()
