"""Smoke runs one after the other, and whether what the services hold stays flat: `python -m bench soak [--minutes 30]`.

Every run is new work (its own seed) in one embedded stack. Memory, descriptors and processes of every service are looked at
every ten seconds; what the first run warms up does not count. A figure is flat when its slope (least squares) over the
time that was watched is below a tenth of its mean, or cannot be told from noise (two standard errors). Disk cannot be flat,
as every run leaves results, logs and records: it is told in MB per run. Prints a table and, last, one JSON object;
exits with 1 when a run fails or a figure is not flat.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench._services import Use, Watch, disk

EVERY_SECONDS = 10.0
MOST_GROWTH = 0.1
FIGURES = ("memory", "descriptors", "processes")
LASTING = ("mlflow", "api-server", "scheduler", "dag-processor", "workers")
"""Services that live as long as the stack; jobs come and go."""


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    minutes = parser.parse_args(argv).minutes
    found = soak(minutes)
    print(table(found["services"]))
    print(json.dumps({"bench": "soak", "minutes": minutes, **found}), flush=True)
    return 0 if found["flat"] and found["failed"] == 0 else 1


def soak(minutes: float) -> dict[str, Any]:
    from infra.local import processes, stack
    from infra.local.settings import Settings
    from tests.chaos.airflow_stack import Stack
    from tests.conftest import free_port

    with tempfile.TemporaryDirectory(prefix="psgpo-soak-") as scratch:
        settings = Settings(Path(scratch), free_port(), free_port())
        try:
            embedded = Stack(settings, stack.up(settings, lambda line: None))
            states = [_run(embedded, 0)]
            began, before, watch = (
                time.monotonic(),
                disk(settings.state),
                Watch(settings.state, EVERY_SECONDS),
            )
            with watch:
                while time.monotonic() - began < 60 * minutes:
                    states.append(_run(embedded, len(states)))
            watched, after = len(states) - 1, disk(settings.state)
        finally:
            processes.stop(settings.state)
    unseen = [name for name in LASTING if not any(name in seen for _, seen in watch.samples)]
    services = {name: trends([(at, seen.get(name, Use())) for at, seen in watch.samples]) for name in LASTING}
    return {
        "runs": watched,
        "failed": sum(state != "success" for state in states),
        "watched_minutes": round(watch.samples[-1][0] / 60, 1),
        "samples": len(watch.samples),
        "unseen": unseen,
        "flat": not unseen and all(trend["flat"] for one in services.values() for trend in one.values()),
        "services": services,
        "disk_mb_per_run": {name: round((after[name] - size) / watched, 2) for name, size in before.items()},
    }


def _run(embedded: Any, number: int) -> str:
    name = f"soak-{number}"
    embedded.trigger(name, data_seed=number)
    state = embedded.end(name)
    print(f"{name} ended {state}", file=sys.stderr, flush=True)
    return state


def trends(samples: Sequence[tuple[float, Use]]) -> dict[str, dict[str, Any]]:
    """Of each figure of one service: mean, growth per hour, and whether it is flat. `samples`: (seconds, what was seen)."""
    return {name: trend([(at, float(getattr(use, name))) for at, use in samples]) for name in FIGURES}


def trend(points: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Least squares over (seconds, value); at least three points at different times."""
    count, seconds = len(points), points[-1][0] - points[0][0]
    middle, mean = (sum(column) / count for column in zip(*points, strict=True))
    spread = sum((at - middle) ** 2 for at, _ in points)
    slope = sum((at - middle) * (value - mean) for at, value in points) / spread
    left = sum((value - mean - slope * (at - middle)) ** 2 for at, value in points)
    error = (left / (count - 2) / spread) ** 0.5
    grown = slope * seconds
    flat = grown < MOST_GROWTH * mean or slope < 2 * error or mean == 0
    return {
        "mean": round(mean, 1),
        "per_hour": round(3600 * slope, 2),
        "error": round(3600 * error, 2),
        "flat": flat,
    }


def table(services: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """As Markdown, one row per service and figure."""
    rows = [
        f"| {service} | {name} | {one['mean']} | {_per_hour(one)} | {'yes' if one['flat'] else 'NO'} |"
        for service, figures in services.items()
        for name, one in figures.items()
    ]
    head = ["| service | figure | mean | growth per hour (± 2 standard errors) | flat |"]
    return "\n".join([*head, "| --- | --- | ---: | ---: | --- |", *rows])


def _per_hour(one: Mapping[str, Any]) -> str:
    return f"{one['per_hour']:+} ± {2 * one['error']:.2f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
