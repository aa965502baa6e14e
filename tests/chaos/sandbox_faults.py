"""The sandbox's service is killed under load: no program gets a wrong verdict, and every program gets one.

Problems that are poisoned are put aside before anything is spent on them, and the rest goes on.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tasks.benchmarks.quarantine import read_quarantine
from tasks.errors import EXIT_BAD_INPUT, BadInput
from tasks.sandbox import Limits, Program, Sandbox
from tasks.sandbox.program import CallTests, Case
from tasks.sandbox.remote import ask_service
from tests.chaos.scene import Scene
from tests.chaos.tally import Tally
from tests.chaos.toys import ROOT
from tests.conftest import free_port
from tests.servers import Server

PROGRAMS = 60
LIMITS = Limits(cpu_seconds=2, wall_seconds=20, memory_mb=256)


def faults(scene: Scene) -> Iterator[Tally]:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    argv = [sys.executable, "-m", "tasks.sandbox", "serve", "--workers", "2", "--port", str(port)]
    server = Server(argv, {"PYTHONPATH": str(ROOT)}, scene.folder / "sandbox", lambda: _answers(address))
    server.start()
    scene.closing.callback(server.stop)
    tally = Tally("sandbox server killed under load and started again")
    for number in range(scene.times):
        _killed_under_load(scene, server, address, number, tally)
    yield tally
    yield poisoned(scene)


POISON = {
    "hangs": "    while True:\n        pass\n",
    "eats-memory": "    return sum(bytearray(1 << 36)) + n\n",
    # a coin that falls anew in every run
    "flaky-a": "    import time\n    return n + time.time_ns() // 1000 % 2\n",
    "flaky-b": "    import time\n    return n + time.time_ns() // 1000 % 2\n",
    "flaky-c": "    import time\n    return n + time.time_ns() // 1000 % 2\n",
}
GOOD = 8


def poisoned(scene: Scene) -> Tally:
    """A problems file with tests that hang, eat memory, or pass now and then: they are named, and only they; where so many
    may be put aside, a model is trained on the rest."""
    tally = Tally("problems whose tests hang, eat memory or are flaky")
    folder = scene.folder / "poisoned"
    folder.mkdir()
    references = POISON | {f"good-{number}": "    return n\n" for number in range(GOOD)}
    lines = [json.dumps(_problem(name, reference)) for name, reference in references.items()]
    (folder / "problems.jsonl").write_text("\n".join(lines))
    source = ["--set", f"data.source={folder}/problems.jsonl", "--set", "sandbox.cpu_seconds=1"]
    common = ["--config", "smoke", "--store", f"file://{folder}/store", *source]
    environment = {"PSGPO_CACHE": str(folder / "cache")}
    tally.injected += len(POISON)
    code, child = scene.zygote.run(["prepare_problems", *common], environment)
    told = {name for name in references if f"{name}:" in child.errors}
    tally.check(code == EXIT_BAD_INPUT and {"hangs", "eats-memory"} <= told, f"{code}: {child.errors[-300:]}")
    common += ["--set", "validation.quarantine=0.5"]
    made: dict[str, str] = {}
    for stage, inputs in STAGES.items():
        given = [f"--input={name}={made[maker]}" for name, maker in inputs.items()]
        code, child = scene.zygote.run([stage, *common, *given], environment)
        told |= {name for name in references if f"{name}:" in child.errors}
        if not tally.check(code == 0, f"{stage} ended with {code}: {child.errors[-300:]}"):
            return tally
        made[stage] = child.envelope["artifact"]
    aside = {
        one.problem_id for one in read_quarantine(Path(made["prepare_problems"].removeprefix("file://")))
    }
    tally.completed += tally.check({"hangs", "eats-memory"} <= aside, f"put aside: {sorted(aside)}")
    tally.check(any(name.startswith("flaky") for name in told), f"no flaky one among {sorted(told)}")
    tally.wrong += sum(name.startswith("good") for name in aside | told)
    return tally


STAGES = {
    "prepare_problems": {},
    "validate": {"subject": "prepare_problems"},
    "prepare_model": {"problems": "prepare_problems"},
    "sft": {"problems": "prepare_problems", "model": "prepare_model"},
}
"""What is run on the rest, and where its inputs come from."""


def _problem(name: str, reference: str) -> dict[str, object]:
    return {
        "problem_id": name,
        "prompt": f"def f(n):  # {name}\n",
        "entry_point": "f",
        "tests": [{"args": [2], "expected": 2, "kwargs": {}}],
        "reference": reference,
        "difficulty": 1,
        "split": "train",
        "licence": "MIT",
    }


def _killed_under_load(scene: Scene, server: Server, address: str, number: int, tally: Tally) -> None:
    """Half of the programs are right. After the service is back, what had no verdict is asked again, as a retry does."""
    generator = random.Random(f"sandbox/{scene.seed}/{number}")
    programs = {index: _program(index, right=generator.random() < 0.5) for index in range(PROGRAMS)}
    restart = threading.Thread(target=_kill_and_start, args=(server, generator.uniform(0.05, 1.0)))
    with Sandbox.open(address=address) as sandbox:
        restart.start()
        handles = {index: sandbox.submit(program) for index, (program, _) in programs.items()}
        verdicts = {index: handle.result() for index, handle in handles.items()}
        restart.join()
        for index, verdict in verdicts.items():
            if verdict.status == "no_verdict":
                verdicts[index] = sandbox.submit(programs[index][0]).result()
    tally.injected += 1
    for index, (_, status) in programs.items():
        found = verdicts[index].status
        tally.lost += found == "no_verdict"
        tally.check(found in (status, "no_verdict"), f"program {index}: {found}, not {status}")
    tally.completed += all(verdict.status != "no_verdict" for verdict in verdicts.values())


def _program(index: int, right: bool) -> tuple[Program, str]:
    code = f"def f(n):\n    return n + {index if right else index + 1}\n"
    return Program(code, CallTests("f", (Case((1,), 1 + index),)), LIMITS), "passed" if right else "failed"


def _kill_and_start(server: Server, after: float) -> None:
    time.sleep(after)
    server.kill()
    time.sleep(0.5)
    server.start()


def _answers(address: str) -> bool:
    try:
        ask_service(address)
    except BadInput:
        return False
    return True
