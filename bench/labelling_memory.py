"""Memory of labelling: `python -m bench labelling_memory [--responses 1000 50000]`.

Labels scripted responses of ten lines in shards, as the stage does, each number of them in a process of its own, and prints
the peaks. The last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tasks.config import LabelConfig
from tasks.method.trials import Completion, Wanted
from tasks.problems import Problem
from tasks.rows import RESPONSES, arrow_schema
from tasks.sandbox import Verdict


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench labelling_memory", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--responses", type=int, nargs="+", default=[1000, 50_000])
    parser.add_argument("--here", action="store_true", help="the first number, in this process")
    options = parser.parse_args(argv)
    if options.here:
        print(labelled_peak(options.responses[0]))
        return 0
    print(json.dumps({"bench": "labelling_memory", **memory(options.responses)}), flush=True)
    return 0


def memory(counts: Sequence[int]) -> dict[str, Any]:
    """Peaks in MB by number of responses, and that of the last against the first."""
    peaks = [_peak_in_a_process(count) for count in counts]
    return {
        "peak_mb": {str(count): round(peak) for count, peak in zip(counts, peaks, strict=True)},
        "memory_ratio": round(peaks[-1] / peaks[0], 3),
    }


def _peak_in_a_process(count: int) -> float:
    command = [sys.executable, "-m", "bench.labelling_memory", "--here", "--responses", str(count)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


class _Script:
    """Completes and judges at once: recoverable up to half of its response."""

    def __call__(self, wanted: Sequence[Wanted]) -> Iterator[Completion]:
        for index, want in enumerate(wanted):
            good = 2 * want.line <= len(want.subject.lines)
            yield Completion(index, f"    return {index}  # {'right' if good else 'wrong'}\n", 8)

    def judge(self, _: str, text: str) -> _Answer:
        return _Answer(Verdict("passed" if text.endswith("right\n") else "failed", 0, 1, 0.0))


class _Answer:
    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict

    def result(self) -> Verdict:
        return self.verdict


def labelled_peak(count: int) -> float:
    """This process's peak memory in MB after labelling `count` scripted responses in shards, as the stage does."""
    from tasks.stages.label_shards import check_responses, join_shards, label_shards
    from tasks.store import Checkpoints, open_store

    problem = Problem("p", "def f(xs):\n", "f", "", None, 1, "train", "bench", "none")
    script = _Script()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _write_scripted(count, folder / "responses.parquet")
        checkpoints = Checkpoints(open_store(f"file://{scratch}/store"), "0" * 64, folder / "cache")
        check_responses(folder / "responses.parquet", {"p": problem}, 1)
        shards = label_shards(
            folder / "responses.parquet",
            {"p": problem},
            script,
            script.judge,
            LabelConfig(),
            checkpoints,
            lambda _: False,
        )
        assert max(shards) == count
        (folder / "joined").mkdir()
        join_shards(checkpoints, folder / "joined")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _write_scripted(count: int, path: Path) -> None:
    """In batches: the peak should be labelling's, not this writer's."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = "".join(f"    x{line} = {line}\n" for line in range(10))
    base = {"problem_id": "p", "checkpoint": 1, "tokens": 30, "finished": True, "status": "failed"}
    base |= {"tests_passed": 0, "tests_total": 1}
    with pq.ParquetWriter(path, arrow_schema(RESPONSES)) as writer:
        for start in range(0, count, 1000):
            rows = [
                {**base, "response_id": f"p#1#{n}", "text": f"{text}    # {n}\n"}
                for n in range(start, min(start + 1000, count))
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema=writer.schema))


if __name__ == "__main__":
    sys.exit(main())
