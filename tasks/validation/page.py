"""The front page of the Data Docs: every expectation of a run on one page that needs no other file and no network.

Great Expectations' pages stay beside it. They ask for styles and scripts of six servers; without network they would be
bare text, and inside MLflow's frame the links from one to the next lead nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tasks.validation.running import Outcome, Table

_ELSEWHERE = re.compile(
    r"""<link\b[^>]*?\bhref="https?://[^>]*>|<script\b[^>]*?\bsrc="https?://[^>]*>\s*</script>"""
)
_STYLE = """<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #22252a; margin: 2rem; }
table { border-collapse: collapse; }
th, td { padding: .3rem .6rem; text-align: left; vertical-align: top; border-bottom: 1px solid #e6e8eb; }
.alert { background: #f6f7f9; padding: .5rem 1rem; } .modal, .fade, img { display: none; } ul { padding-left: 1.2rem; }
</style>"""


def write_front_page(tables: Sequence[Table], outcomes: Sequence[Outcome], pages: Path) -> None:
    """`index.html` in the folder `pages`; what fails comes first. The pages that are there already lose what they
    would fetch from elsewhere."""
    for path in pages.rglob("*.html"):
        text = _ELSEWHERE.sub("", path.read_text(encoding="utf-8"))
        path.write_text(text.replace("</head>", f"{_STYLE}</head>", 1), encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    shown = [_shown(outcome) for outcome in outcomes]
    page = environment.get_template("data_docs.html.j2").render(
        conclusion=conclusion(outcomes),
        failed=any(one["state"] == "fails" for one in shown),
        broken=sorted((one for one in shown if one["state"] != "holds"), key=lambda one: one["state"]),
        tables=[
            {
                "name": table.name,
                "rows": len(table.frame),
                "outcomes": [one for one in shown if one["table"] == table.name],
            }
            for table in tables
        ],
    )
    (pages / "index.html").write_text(page, encoding="utf-8")


def conclusion(outcomes: Sequence[Outcome]) -> str:
    """One sentence: whether the run may go on."""
    failed = [outcome for outcome in outcomes if not outcome.success]
    warnings = sum(outcome.warning for outcome in failed)
    noted = f"; {warnings} more {'is a warning' if warnings == 1 else 'are warnings'}" if warnings else ""
    if len(failed) > warnings:
        return f"{len(failed) - warnings} of {len(outcomes)} expectations fail: the run stops here{noted}."
    if warnings:
        return f"{warnings} of {len(outcomes)} expectations fail as warnings: the run goes on."
    return f"All {len(outcomes)} expectations hold."


def _shown(outcome: Outcome) -> Mapping[str, Any]:
    rows = f"{outcome.unexpected:,} rows" if outcome.unexpected else ""
    observed = outcome.observed if not outcome.success or len(outcome.observed) < 60 else ""
    state = "holds" if outcome.success else "warning" if outcome.warning else "fails"
    return {
        "state": state,
        "table": outcome.table,
        "column": outcome.column,
        "expected": _in_words(outcome),
        "meaning": outcome.description,
        "found": rows or observed,
        "examples": outcome.examples,
    }


def _in_words(outcome: Outcome) -> str:
    """`expect_column_values_to_be_between` with its bounds: "values to be between 0 and 1"."""
    name = outcome.expectation.removeprefix("expect_").removeprefix("column_").replace("_", " ")
    return f"{name} {outcome.wanted}".strip().replace("between at", "at")
