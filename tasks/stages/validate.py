"""Great Expectations over problems, responses, labels or scores, before anything is built on them.

in: subject (artifacts of a run: problems; all labels; all scores), previous (labels before these, to be compared),
    benchmarks (problems that training must not hold)
out: validation.json

The Data Docs pages go to the tracking server before a failing suite stops the run: whoever is stopped can read why.
`python -m tasks validate KIND ADDRESS` runs a suite by hand.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import BadInput
from tasks.stages.stage import Stage, StageContext
from tasks.store import Artifact

if TYPE_CHECKING:
    from tasks.validation.running import Outcome, Table

FAILURES_NAMED = 10


def run(context: StageContext) -> Mapping[str, float]:
    from tasks.validation.page import write_front_page
    from tasks.validation.running import run_suites

    tables = _tables(context, context.inputs["subject"])
    with tempfile.TemporaryDirectory(prefix="psgpo-data-docs-") as pages:
        outcomes = run_suites(tables, Path(pages))
        write_front_page(tables, outcomes, Path(pages))
        (context.output / "validation.json").write_text(report(tables, outcomes))
        _attach(context, Path(pages))
    failed = told([outcome for outcome in outcomes if not outcome.success])
    stop_on([outcome for outcome in failed if not outcome.warning], len(outcomes))
    return {"expectations": len(outcomes), "warnings": len(failed), "rows": sum(len(t.frame) for t in tables)}


def _tables(context: StageContext, subjects: Sequence[Artifact]) -> list[Table]:
    from tasks.stages.gate import Gate

    gate = Gate(
        context.config.sandbox,
        context.config.prm,
        context.config.validation,
        [artifact.path for artifact in context.inputs.get("previous", ())],
        [artifact.path for artifact in context.inputs.get("benchmarks", ())],
    )
    kinds = sorted({artifact.kind for artifact in subjects})
    return [
        table
        for kind in kinds
        for table in gate.tables(kind, [artifact.path for artifact in subjects if artifact.kind == kind])
    ]


def told(failed: list[Outcome]) -> list[Outcome]:
    """The same, each said in a line of the log."""
    for outcome in failed:
        print(f"{'warning' if outcome.warning else 'failed'}: {outcome.message()}", file=sys.stderr)
    return failed


def report(tables: Sequence[Table], outcomes: Sequence[Outcome]) -> str:
    """Deterministic JSON: no times, no run names."""
    report = {
        "tables": {table.name: len(table.frame) for table in tables},
        "success": all(outcome.success or outcome.warning for outcome in outcomes),
        "outcomes": [asdict(outcome) for outcome in outcomes],
    }
    return json.dumps(report, indent=1, sort_keys=True)


def _attach(context: StageContext, pages: Path) -> None:
    """Data Docs (pages only: their pictures and fonts are decoration) and the report, to the tracking server."""
    context.tracker.file(context.output / "validation.json", "validation")
    for path in sorted(pages.rglob("*.html")):
        context.tracker.file(
            path, f"validation/data_docs/{path.parent.relative_to(pages).as_posix()}".rstrip("/.")
        )


def stop_on(failed: Sequence[Outcome], total: int) -> None:
    """Raises BadInput naming the expectations that fail, if any."""
    if failed:
        more = f"; and {len(failed) - FAILURES_NAMED} more" if len(failed) > FAILURES_NAMED else ""
        named = "; ".join(outcome.message() for outcome in failed[:FAILURES_NAMED])
        raise BadInput("validation", f"{len(failed)} of {total} expectations fail: {named}{more}")


STAGE = Stage(
    name="validate",
    kind="validation",
    version=4,
    sections=("sandbox", "prm", "validation"),
    inputs={
        "subject*": "problems|responses|labels|scores",
        "previous*?": "labels",
        "benchmarks*?": "problems",
    },
    run=run,
)
