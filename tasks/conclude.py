"""End the parent run in MLflow: its status, the result of every arm, the report; and say it in three lines.

    python -m tasks conclude --parent RUN --status FINISHED|FAILED [--report URI] [--started TIME] [--expected SECONDS] ...

A run that failed before its report is ended too, so that nothing seems to run for ever. The three lines (which arm won, what
was promoted, how long it took beside the plan) are in the envelope, for the note on the run's page in Airflow.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tasks.cache import cache_folder
from tasks.forecast import told
from tasks.store import fetch_uri
from tasks.tracking.parents import close_parent_run
from tasks.tracking.server import as_stage_errors

_MOST_FAILED, _MOST_LETTERS = 3, 600
"""Of failed tasks in a note: how many, and how much each says."""


def main(argv: Sequence[str]) -> int:
    """Raises TryAgain when the server is down, BadInput when it refuses."""
    parser = argparse.ArgumentParser(prog="python -m tasks conclude", description=__doc__)
    parser.add_argument("--parent", required=True, help="id of the parent run; empty: tracking is off")
    parser.add_argument("--status", required=True, choices=("FINISHED", "FAILED"))
    parser.add_argument("--report", help="address of the report artifact")
    parser.add_argument("--started", help="when the run began, ISO 8601 with time zone")
    parser.add_argument("--expected", type=float, default=0, help="wall seconds the plan expected")
    parser.add_argument("--verdict", default="", help="what became of the candidate")
    parser.add_argument(
        "--failed", action="append", default=[], help="a failed task, and why; any number of times"
    )
    arguments = parser.parse_args(argv)
    folder = fetch_uri(arguments.report, cache_folder()).path if arguments.report else None
    took = _seconds_since(arguments.started)
    metrics = {
        **(result_metrics(folder) if folder else {}),
        **plan_metrics(arguments.expected, took),
    }
    lines = list(result_lines(folder, arguments.verdict, arguments.failed, arguments.expected, took))
    files = tuple(sorted(folder.glob("*.html")) + sorted(folder.glob("*.png"))) if folder else ()
    with as_stage_errors():
        close_parent_run(arguments.parent, arguments.status, metrics, files, lines)
    envelope = {
        "stage": "conclude",
        "status": arguments.status,
        "metrics": metrics,
        "note": "\n\n".join(lines),
    }
    print(json.dumps(envelope, sort_keys=True))
    return 0


def result_lines(
    report: Path | None, verdict: str, failed: Sequence[str], expected: float, took: float
) -> Iterator[str]:
    """The result in three lines of Markdown; for a failed run what failed and what to do."""
    yield from (f"**Failed** {one[:_MOST_LETTERS]}" for one in failed[:_MOST_FAILED])
    if len(failed) > _MOST_FAILED:
        yield f"**Failed** {len(failed) - _MOST_FAILED} more"
    if failed:
        yield "Everything computed so far is kept. Mend what is named and trigger again; if a task was killed, clear it."
    if report:
        yield f"**Result** {json.loads((report / 'results.json').read_text())['conclusion']}"
    if verdict:
        yield f"**Promotion** {verdict}"
    if took and expected:
        off = (took - expected) / expected
        yield f"**Time** {told(took)}, planned {told(expected)} ({off:+.0%})"
    elif took:
        yield f"**Time** {told(took)}"


def plan_metrics(expected: float, took: float) -> dict[str, float]:
    """How long the run took and was expected to take, seconds."""
    return {"plan/expected_seconds": expected, "plan/seconds": took} if expected and took else {}


def _seconds_since(started: str | None) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(started)).total_seconds() if started else 0.0


_PARTS = {"": "pass_at_1", "_low": "low", "_high": "high"}
_ACROSS = ("iqm", "standard_error", "best_pass_rate", "best_update")


def result_metrics(report: Path) -> dict[str, float]:
    """What `tasks.tracking.names.SUMMARY` lists for every arm; only what the report has."""
    results = json.loads((report / "results.json").read_text())
    metrics: dict[str, float] = {}
    for arm in results["arms"]:
        name = arm["arm"]
        metrics |= {f"pass_at_1{part}/{name}": arm[key] for part, key in _PARTS.items()}
        if arm["gain"] is not None:
            metrics[f"gain/{name}"] = arm["gain"][0]
    for name, across in results.get("across_seeds", {}).items():
        metrics |= {f"{key}/{name}": across[key] for key in _ACROSS if key in across}
    return metrics
