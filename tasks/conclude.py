"""End the parent run in MLflow: its status, the result of every arm, the report.

    python -m tasks conclude --parent RUN --status FINISHED|FAILED [--report URI]

A run that failed before its report is ended too, so that nothing seems to run for ever.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from tasks.cache import cache_folder
from tasks.store import fetch_uri
from tasks.tracking.parents import close_parent_run
from tasks.tracking.server import as_stage_errors


def main(argv: Sequence[str]) -> int:
    """Raises TryAgain when the server is down, BadInput when it refuses."""
    parser = argparse.ArgumentParser(prog="python -m tasks conclude", description=__doc__)
    parser.add_argument("--parent", required=True, help="id of the parent run; empty: tracking is off")
    parser.add_argument("--status", required=True, choices=("FINISHED", "FAILED"))
    parser.add_argument("--report", help="address of the report artifact")
    arguments = parser.parse_args(argv)
    folder = fetch_uri(arguments.report, cache_folder()).path if arguments.report else None
    metrics = result_metrics(folder) if folder else {}
    files = tuple(sorted(folder.glob("*.html")) + sorted(folder.glob("*.png"))) if folder else ()
    with as_stage_errors():
        close_parent_run(arguments.parent, arguments.status, metrics, files)
    print(json.dumps({"stage": "conclude", "status": arguments.status, "metrics": metrics}, sort_keys=True))
    return 0


_PARTS = {"": "pass_at_1", "_low": "low", "_high": "high"}


def result_metrics(report: Path) -> dict[str, float]:
    """`pass_at_1/<arm>` with its interval, and the paired gain over `rl` where there is one."""
    metrics: dict[str, float] = {}
    for arm in json.loads((report / "results.json").read_text())["arms"]:
        name = arm["arm"]
        metrics |= {f"pass_at_1{part}/{name}": arm[key] for part, key in _PARTS.items()}
        if arm["gain"] is not None:
            metrics[f"gain/{name}"] = arm["gain"][0]
    return metrics
