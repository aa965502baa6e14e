"""What the CPU time of a graded program is made of: whose it is, and what would be left with nothing to save.

All figures are per program and CPU milliseconds unless their name says otherwise. `alone`: source and tests compiled and run
in one process that is already there, without any sandbox. `nothing`: the sandbox with an empty program and an empty
test. `empty_child`: the bare floor, with its parent's share.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tasks.sandbox import AssertTests, Program, Sandbox

_ROUNDS = 3
_EMPTY = Program("", AssertTests("nothing", ("pass",)))

_ALONE = """
import gzip, json, sys, time
rows = [json.loads(line) for line in gzip.decompress(open(sys.argv[1], "rb").read()).splitlines()]
spent = []
for row in rows:
    program = f"{row['prompt']}{row['canonical_solution']}\\n{row['test']}\\ncheck({row['entry_point']})"
    started = time.process_time()
    exec(program, {})
    spent.append(1000 * (time.process_time() - started))
print(json.dumps(spent))
"""

_EMPTY_CHILD = """
import gc, os, sys, time
gc.collect(); gc.freeze(); gc.disable()
for _ in range(500):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
used = os.times()
print(2 * (used.user + used.system + used.children_user + used.children_system))
"""


def costs(isolation: str, programs: list[Program], problems: Path) -> dict[str, Any]:
    """Where the time of `programs` goes; `problems` is the file they were made of."""
    alone = json.loads(_output(_ALONE, str(problems)))
    with Sandbox.open(isolation=isolation, workers=1) as sandbox:
        ours = _by_process(sandbox, programs, _ROUNDS)
        nothing = _by_process(sandbox, [_EMPTY] * len(programs), _ROUNDS)
    return {
        "ours": ours,
        "nothing": nothing,
        "alone": round(sum(alone) / len(alone), 2),
        "alone_dearest_milliseconds": [round(value, 1) for value in sorted(alone)[:-4:-1]],
        "empty_child": round(float(_output(_EMPTY_CHILD)), 2),
    }


def _output(source: str, *arguments: str) -> str:
    command = [sys.executable, "-I", "-S", "-c", source, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]


def _by_process(sandbox: Sandbox, programs: list[Program], rounds: int) -> dict[str, float]:
    """Tests are compiled before: the first round does not count."""
    list(sandbox.run(programs))
    (examiner,) = _children(os.getpid())
    (server,) = _children(examiner)
    before = _state(examiner, server)
    seconds = sum(verdict.cpu_seconds for verdict in sandbox.run(programs * rounds))
    spent = [after - start for after, start in zip(_state(examiner, server), before, strict=True)]
    count = rounds * len(programs)
    caller, examined, served = (1000 * value / count for value in spent[:3])
    program = 1000 * seconds / count
    return {
        "total": round(caller + examined + served + program, 2),
        "caller": round(caller, 2),
        "examiner": round(examined, 2),
        "fork_server": round(served, 2),
        "program": round(program, 2),
        "page_faults_of_fork_server": round(spent[3] / count),
        "page_faults_of_program": round(spent[4] / count),
    }


def _state(examiner: int, server: int) -> tuple[float, ...]:
    """CPU seconds of caller, examiner and fork server; page faults of the fork server and of its children."""
    fields = Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()
    return time.process_time(), _seconds(examiner), _seconds(server), int(fields[7]), int(fields[8])


def _seconds(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) * 1e-9


def _children(pid: int) -> list[int]:
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]
