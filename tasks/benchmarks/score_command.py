"""`python -m tasks score`: grade samples somebody already has.

    python -m tasks score --benchmark humaneval --problems HumanEval.jsonl.gz --samples samples.jsonl \\
        --output verdicts.jsonl --k 1,10

Writes one row `{task_id, index, status, tests_passed, tests_total, seconds, detail}` per sample; the last line of stdout
is a JSON summary with `protocol`, `problems`, `samples`, `pass_at_1`, .... Run again after a kill, it goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.benchmarks import livecodebench
from tasks.benchmarks.benchmark import BENCHMARKS, Benchmark, benchmark, protocol_id
from tasks.benchmarks.contamination import overlaps
from tasks.benchmarks.importers import load_problems
from tasks.benchmarks.samples import AS_GIVEN, SampleCounts, count_samples, read_samples
from tasks.benchmarks.scoring import file_identity, grade, grade_file
from tasks.benchmarks.self_proof import prove_grader
from tasks.errors import BadInput
from tasks.problems import Problem
from tasks.sandbox.program import Limits

WALL_PER_CPU = 10  # wall time is a backstop: a loaded machine must not decide
SHOWN = 5


def main(argv: Sequence[str]) -> int:
    """Runs the command; raises BadInput for anything wrong with arguments or files."""
    options = _options(argv)
    bench = benchmark(options.benchmark)
    problems = _problems(bench, options.problems)
    counts = count_samples(options.samples, problems, bench.NAME)
    _check_k(options.k, counts)
    contaminated = _contamination(options, list(problems.values()))
    print(json.dumps(_score(options, bench, problems, counts) | contaminated), flush=True)
    return 0


def _score(
    options: argparse.Namespace, bench: Benchmark, problems: dict[str, Problem], counts: SampleCounts
) -> dict[str, Any]:
    from tasks.sandbox import Sandbox
    from tasks.stages.progress import Progress

    cpu_seconds = options.timeout or bench.CPU_SECONDS
    limits = Limits(cpu_seconds=cpu_seconds, wall_seconds=WALL_PER_CPU * cpu_seconds)
    attempted = [problems[name] for name in problems if name in counts.per_problem]
    identity = file_identity([options.problems, options.samples], bench.NAME, repr(limits))
    progress = Progress("score")
    started = time.monotonic()
    with Sandbox.open(isolation=options.isolation, workers=options.workers, limits=limits) as sandbox:
        proof = prove_grader(attempted, sandbox, broken=len(attempted))
        tally, resumed = grade_file(
            options.output,
            identity,
            lambda: read_samples(options.samples, problems, bench.NAME),
            lambda samples: grade(samples, problems, bench, sandbox),
            lambda done: progress(done, counts.samples),
        )
    return {
        "benchmark": bench.NAME,
        "protocol": _protocol(bench, counts, limits),
        **({"window": livecodebench.window(options.problems)} if bench.NAME == livecodebench.NAME else {}),
        "problems": len(attempted),
        "problems_without_samples": len(problems) - len(attempted),
        "samples": counts.samples,
        **tally.scores(options.k),
        "statuses": dict(sorted(tally.statuses.items())),
        "no_verdict": tally.statuses["no_verdict"],
        "self_proof": proof,
        "resumed": resumed,
        "seconds": round(time.monotonic() - started, 2),
        "output": str(options.output),
    }


def _protocol(bench: Benchmark, counts: SampleCounts, limits: Limits) -> str:
    fewest, most = min(counts.per_problem.values()), max(counts.per_problem.values())
    samples = str(most) if fewest == most else f"{fewest} to {most}"
    return " + ".join(protocol_id(bench.NAME, AS_GIVEN[form], samples, None, limits) for form in counts.forms)


def _problems(bench: Benchmark, path: Path) -> dict[str, Problem]:
    table: dict[str, Problem] = {}
    for problem in bench.problems(path):
        if problem.problem_id in table:
            raise BadInput(str(path), f"problem {problem.problem_id!r} is there twice", "unique ids")
        table[problem.problem_id] = problem
    if not table:
        raise BadInput(str(path), "holds no problems", "at least one row")
    return table


def _check_k(ks: Sequence[int], counts: SampleCounts) -> None:
    name, fewest = min(counts.per_problem.items(), key=lambda item: item[1])
    if max(ks) > fewest:
        raise BadInput(f"--k {max(ks)}", f"{name} has only {fewest} samples", f"at most {fewest}")


def _contamination(options: argparse.Namespace, problems: list[Problem]) -> dict[str, Any]:
    if options.training is None:
        return {}
    found = overlaps(problems, (Problem(**row) for row in load_problems(options.training)))
    named = [f"{one.problem_id} ({one.training_id}, {one.share:.0%})" for one in found[:SHOWN]]
    if found and options.refuse_contaminated:
        raise BadInput(str(options.training), f"holds {len(found)} benchmark problems: {', '.join(named)}")
    return {"contaminated": len(found), "contaminated_examples": named}


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(prog="python -m tasks score", description=__doc__.split("\n")[0])
    parser.add_argument("--benchmark", required=True, choices=BENCHMARKS)
    parser.add_argument(
        "--problems", required=True, type=Path, help="problem file; .gz and .zst are read too"
    )
    parser.add_argument(
        "--samples", required=True, type=Path, help="rows {task_id, completion} or {task_id, solution}"
    )
    parser.add_argument(
        "--output", required=True, type=Path, help="verdicts; compressed if named .gz or .zst"
    )
    parser.add_argument("--k", type=_ks, default=(1,), help="which pass@k, e.g. 1,10")
    parser.add_argument("--workers", type=_positive_int, default=2, help="programs run at once")
    parser.add_argument(
        "--timeout", type=_positive, metavar="S", help="CPU seconds per program; default by benchmark"
    )
    parser.add_argument("--isolation", choices=("namespaces", "container", "process"), default="namespaces")
    parser.add_argument(
        "--training", type=Path, help="training problems, to report which contain the benchmark"
    )
    parser.add_argument("--refuse-contaminated", action="store_true", help="no score if --training overlaps")
    return parser.parse_args(argv)


def _ks(text: str) -> tuple[int, ...]:
    return tuple(sorted({_positive_int(part) for part in text.split(",")}))


def _positive_int(text: str) -> int:
    if not text.strip().isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return value


class _Parser(argparse.ArgumentParser):
    """Usage errors leave with 64 like every other bad input."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise BadInput(self.prog, message, self.format_usage().strip())
