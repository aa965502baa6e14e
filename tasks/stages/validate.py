"""Great Expectations over problems or labels, before anything is trained on them.

in: subject (problems artifact, or all labels artifacts of a run)      out: validation.json

The Data Docs pages go to the tracking server before a failing suite stops the run: whoever is stopped can read why.
References are run against their own tests: all of an imported file, a sample of StepCode's (each of its references has
computed its own tests).
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import BadInput
from tasks.rows import LABELS, PROBLEMS, RESPONSES
from tasks.stages.stage import Stage, StageContext
from tasks.store import Artifact

if TYPE_CHECKING:
    from tasks.validation.running import Outcome, Table

REFERENCES_SAMPLED = 200
"""StepCode references run against their tests."""
FAILURES_NAMED = 10


def run(context: StageContext) -> Mapping[str, float]:
    from tasks.validation.running import run_suites

    tables = _tables(context, context.inputs["subject"])
    with tempfile.TemporaryDirectory(prefix="psgpo-data-docs-") as pages:
        outcomes = run_suites(tables, Path(pages))
        (context.output / "validation.json").write_text(_report(tables, outcomes))
        _attach(context, Path(pages))
    failed = [outcome for outcome in outcomes if not outcome.success]
    for outcome in failed:
        print(f"{'warning' if outcome.warning else 'failed'}: {outcome.message()}", file=sys.stderr)
    _stop_on([outcome for outcome in failed if not outcome.warning], len(outcomes))
    return {"expectations": len(outcomes), "warnings": len(failed), "rows": sum(len(t.frame) for t in tables)}


def _tables(context: StageContext, subjects: Sequence[Artifact]) -> list[Table]:
    problems = [artifact.path for artifact in subjects if artifact.kind == "problems"]
    labels = [artifact.path for artifact in subjects if artifact.kind == "labels"]
    return (_problem_tables(context, problems) if problems else []) + (
        _label_tables(labels) if labels else []
    )


def _problem_tables(context: StageContext, folders: Sequence[Path]) -> list[Table]:
    from tasks.validation.running import Table
    from tasks.validation.suites import problem_facts_suite, row_suite
    from tasks.validation.tables import problem_facts, read_frame

    rows = read_frame(PROBLEMS, [folder / "problems.parquet" for folder in folders])
    facts = problem_facts(rows)
    readable = rows[facts["bad_tests"].isna()].to_dict("records")
    facts["reference_failure"] = rows["problem_id"].map(_reference_failures(context, readable))
    return [
        Table("problems", rows, row_suite(PROBLEMS)),
        Table("problem_facts", facts, problem_facts_suite()),
    ]


def _label_tables(folders: Sequence[Path]) -> list[Table]:
    from tasks.validation.running import Table
    from tasks.validation.suites import label_facts_suite, response_facts_suite, row_suite
    from tasks.validation.tables import label_facts, read_frame, response_facts

    labels = read_frame(LABELS, [folder / "labels.parquet" for folder in folders])
    responses = read_frame(RESPONSES, [folder / "responses.parquet" for folder in folders])
    return [
        Table("labels", labels, row_suite(LABELS)),
        Table("responses", responses, row_suite(RESPONSES)),
        Table("label_facts", label_facts(labels, responses), label_facts_suite()),
        Table("response_facts", response_facts(responses), response_facts_suite()),
    ]


def _reference_failures(context: StageContext, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Why references fail their own tests, by problem id; the reason names it again, messages show reasons only."""
    from tasks.benchmarks.importers import check_references
    from tasks.problems import problems_from_rows
    from tasks.stages.sandboxes import open_sandbox

    problems = problems_from_rows(rows)
    generated = [problem for problem in problems if problem.source == "stepcode"]
    sampled = random.Random(0).sample(generated, min(REFERENCES_SAMPLED, len(generated)))
    chosen = sampled + [problem for problem in problems if problem.source != "stepcode"]
    with open_sandbox(context.config.sandbox) as sandbox:
        rejects = check_references(chosen, sandbox)
        return {reject.problem_id: f"{reject.problem_id}: {reject.reason}" for reject in rejects}


def _report(tables: Sequence[Table], outcomes: Sequence[Outcome]) -> str:
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


def _stop_on(failed: Sequence[Outcome], total: int) -> None:
    if failed:
        more = f"; and {len(failed) - FAILURES_NAMED} more" if len(failed) > FAILURES_NAMED else ""
        named = "; ".join(outcome.message() for outcome in failed[:FAILURES_NAMED])
        raise BadInput("validation", f"{len(failed)} of {total} expectations fail: {named}{more}")


STAGE = Stage(
    name="validate",
    kind="validation",
    version=1,
    sections=("sandbox",),
    inputs={"subject*": "problems|labels"},
    run=run,
)
