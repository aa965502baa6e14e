"""What the sandbox is measured against: a grader of human-eval's kind, and the bare floor.

The grader does per program what human-eval's `check_correctness` does (a `multiprocessing.Manager`, a forked
`multiprocessing.Process`, a temporary folder, an alarm, swallowed output, switched-off system functions); with a checkout
of human-eval at hand its own function is used instead.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

TIMEOUT = 3.0
Row = dict[str, Any]
Check = Callable[[Row, str], bool]


def human_evals_own(checkout: Path) -> Check:
    """`check_correctness` of a human-eval checkout (with its `exec` line enabled)."""
    sys.path.insert(0, str(checkout))
    execution = importlib.import_module("human_eval.execution")
    return lambda row, completion: bool(execution.check_correctness(row, completion, TIMEOUT)["passed"])


def check_like_human_eval(row: Row, completion: str) -> bool:
    """One program in a process of its own; the verdict comes back in a manager's list."""
    program = f"{row['prompt']}{completion}\n{row['test']}\ncheck({row['entry_point']})"
    with multiprocessing.Manager() as manager:
        result = manager.list()
        process = multiprocessing.Process(target=_execute, args=(program, result))
        process.start()
        process.join(TIMEOUT + 1)
        if process.is_alive():
            process.kill()
        return list(result) == ["passed"]


def _execute(program: str, result: Any) -> None:
    with tempfile.TemporaryDirectory() as folder, _working_in(folder):
        kept = _switch_off()
        try:
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
                _alarm(),
            ):
                exec(program, {})
            result.append("passed")
        except BaseException as error:
            result.append(f"failed: {error}")
        for name, function in kept.items():
            setattr(os, name, function)


@contextlib.contextmanager
def _working_in(folder: str) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def _alarm() -> Iterator[None]:
    def late(*_: Any) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, TIMEOUT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _switch_off() -> dict[str, Any]:
    names = ("kill", "system", "remove", "rmdir", "fork", "unlink", "rename", "chmod", "chdir", "getcwd")
    kept = {name: getattr(os, name) for name in names}
    for name in names:
        setattr(os, name, None)
    return kept


def grade_in_threads(check: Check, rows: list[Row], threads: int) -> tuple[float, int]:
    """(programs per second, how many passed) for the references of `rows`."""
    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        passed = sum(pool.map(lambda row: check(row, row["canonical_solution"]), rows))
    return len(rows) / (time.perf_counter() - started), passed


_FLOOR = """
import gc, os, sys, time
gc.collect(); gc.freeze(); gc.disable()
count = int(sys.argv[1])
started = time.perf_counter()
for _ in range(count):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, b"x")
        os._exit(0)
    os.close(writer)
    os.read(reader, 1)
    os.close(reader)
    os.waitpid(pid, 0)
print(count / (time.perf_counter() - started))
"""


def bare_floor(count: int, processes: int) -> float:
    """Empty children per second: fork, one byte through a pipe, wait; `processes` small parents at once."""
    command = [sys.executable, "-I", "-S", "-c", _FLOOR, str(count)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    return sum(float(process.communicate()[0]) for process in running)
