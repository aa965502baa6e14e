"""The load that a run can put on the pipeline: `python -m bench pipeline [--only PART ...]`.

`rows`: a million label rows through the stage `validate`. `cells`: 200 mapped cells, each a job of nothing, and 50 queued
runs of one DAG, through the embedded Airflow on two cores. Seconds and peak memory (MB; of the stack: proportional set size
of all its processes) of each. (100,000 artifacts in a store: `python -m bench maintain`.) The last line is one JSON
object; exits with 1 when something did not finish.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench._services import Watch, look

PARTS = ("rows", "cells")
LINES = 10
DAGS = Path(__file__).parent / "load_dags"
PATIENCE = 3600.0
EVERY_SECONDS = 5.0


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench pipeline", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--here", action="store_true", help="the rows in this process")
    options = parser.parse_args(argv)
    if options.here:
        print(json.dumps(_validated(options.rows)))
        return 0
    figures: dict[str, Any] = {"bench": "pipeline"}
    if "rows" in options.only:
        figures["rows"] = rows(options.rows)
    if "cells" in options.only:
        figures |= through_airflow(options.cells, options.runs)
    print(json.dumps(figures), flush=True)
    return 0 if all(part.get("finished", True) for part in figures.values() if isinstance(part, dict)) else 1


def rows(count: int) -> dict[str, Any]:
    """Label rows through `validate`, in a process of its own."""
    command = [sys.executable, "-m", "bench.pipeline", "--here", "--rows", str(count)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _validated(count: int) -> dict[str, Any]:
    from tasks.profiles import load_config
    from tasks.stages.stage import Job, run_stage
    from tasks.stages.validate import STAGE
    from tasks.store import open_store, publish
    from tasks.store.artifacts import artifact_key, digest_of

    with tempfile.TemporaryDirectory(prefix="psgpo-bench-") as scratch:
        made, store = Path(scratch) / "labels", open_store(f"file://{scratch}/store")
        made.mkdir()
        _write_labels(count, made)
        key = artifact_key("labels", digest_of({"rows": count}))
        publish(store, key, made, {"kind": "labels"})
        started, before = time.perf_counter(), _peak_mb()
        job = Job(load_config("smoke", []), {"subject": (f"{store.uri}/{key}",)}, store.uri)
        metrics = run_stage(STAGE, job)["metrics"]
    figures = {
        "labels": count,
        "responses": count // LINES,
        "seconds": round(time.perf_counter() - started, 1),
    }
    return {**figures, "peak_mb": round(_peak_mb()), "before_mb": round(before), **metrics}


def _write_labels(count: int, folder: Path) -> None:
    """Responses of ten lines that can be recovered up to some line; batch by batch: the peak is to be validation's."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tasks.rows import LABELS, RESPONSES, arrow_schema

    schemas = {kind.name: arrow_schema(kind) for kind in (RESPONSES, LABELS)}
    with (
        pq.ParquetWriter(folder / "responses.parquet", schemas[RESPONSES.name]) as responses,
        pq.ParquetWriter(folder / "labels.parquet", schemas[LABELS.name]) as labels,
    ):
        for start in range(0, count // LINES, 10_000):
            numbers = range(start, min(start + 10_000, count // LINES))
            responses.write_table(pa.Table.from_pylist([_response(n) for n in numbers], responses.schema))
            rows = [row for n in numbers for row in _labels(n)]
            labels.write_table(pa.Table.from_pylist(rows, labels.schema))


def _response(number: int) -> dict[str, Any]:
    text = "".join(f"    x{line} = {number} + {line}\n" for line in range(LINES))
    return {
        "response_id": f"p{number % 500}#1#{number}",
        "problem_id": f"p{number % 500}",
        "checkpoint": 1,
        "text": text,
        "tokens": 60,
        "finished": True,
        "status": "failed",
        "tests_passed": 0,
        "tests_total": 5,
    }


def _labels(number: int) -> Iterator[dict[str, Any]]:
    about = {"response_id": f"p{number % 500}#1#{number}", "problem_id": f"p{number % 500}", "lines": LINES}
    for line in range(1, LINES + 1):
        good = line <= number % LINES
        found = {"line": line, "label": 1 if good else -1, "passes": int(good), "attempts": 4}
        yield {**about, **found, "source": "search"}


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def through_airflow(cells: int, runs: int) -> dict[str, dict[str, Any]]:
    """Both loads through one embedded stack."""
    from infra.local import processes, stack
    from infra.local.airflow_api import AirflowApi
    from infra.local.settings import Settings
    from tests.conftest import free_port

    with tempfile.TemporaryDirectory(prefix="psgpo-bench-") as scratch:
        settings = Settings(Path(scratch), free_port(), free_port(), DAGS)
        try:
            api: AirflowApi = stack.up(settings, lambda line: print(line, file=sys.stderr))
            idle = sum(use.memory for use in look(settings.state).values())
            mapped = _timed(api, settings.state, "bench_cells", ["cells"], {"cells": cells})
            names = [f"queued-{number}" for number in range(runs)]
            queued = _timed(api, settings.state, "bench_queue", names, {})
        finally:
            processes.stop(settings.state)
    return {
        "stack": {"idle_mb": round(idle)},
        "cells": {"cells": cells, **mapped},
        "queue": {"runs": runs, **queued},
    }


def _timed(api: Any, state: Path, dag: str, names: Sequence[str], conf: dict[str, Any]) -> dict[str, Any]:
    """All runs triggered at once, until the last has ended."""
    _until(lambda: api.has_dag(dag))
    started = time.perf_counter()
    with Watch(state, EVERY_SECONDS) as watch:
        for name in names:
            api.trigger(dag, name, conf)
        _until(lambda: all(api.run(dag, name)["state"] in ("success", "failed") for name in names[::-1]))
    seconds = time.perf_counter() - started
    states = [one["state"] for name in names for one in api.task_instances(dag, name)]
    done = states.count("success")
    return {
        "finished": done == len(states) > 0,
        "tasks": done,
        "seconds": round(seconds, 1),
        "seconds_per_task": round(seconds / len(states), 2),
        "peak_mb": round(watch.peak_mb),
    }


def _until(condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"not done after {PATIENCE:.0f} s")
        time.sleep(2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
