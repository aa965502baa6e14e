"""Facts that need more than a table's own rows: the split of the PRM's data, a score's summary, what training holds.

Columns hold a reason where something is wrong and nothing where all is well, as in `tables.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tasks.benchmarks.contamination import overlaps
from tasks.method.lines import split_lines
from tasks.method.selection import Labelled
from tasks.problems import Problem

if TYPE_CHECKING:
    import pandas as pd

GENERATED = "stepcode"
"""Problems put together from the same sentences: half of their words are always shared, so only whole texts count."""


def demonstration_facts(demonstrations: pd.DataFrame, problems: pd.DataFrame) -> pd.DataFrame:
    """One row per demonstration: [problem_id, unknown_problem, not_training]."""
    import pandas as pd

    split = demonstrations["problem_id"].map(
        problems.drop_duplicates("problem_id").set_index("problem_id")["split"]
    )
    names = demonstrations["problem_id"]
    return pd.DataFrame(
        {
            "problem_id": names,
            "unknown_problem": names.where(split.isna()),
            "not_training": (names + ": split " + split.astype(str)).where(
                split.notna() & (split != "train")
            ),
        }
    )


def held_by_training(benchmark: Sequence[Problem], training: Iterable[Problem]) -> dict[str, str]:
    """Why a benchmark problem is contaminated, by its id: which training problem holds how much of its text."""
    generated = {problem.problem_id for problem in benchmark if problem.source == GENERATED}
    return {
        found.problem_id: f"{found.problem_id}: {found.share:.0%} of it is in {found.training_id}"
        for found in overlaps(benchmark, training)
        if found.exact or found.problem_id not in generated
    }


def prm_facts(chosen: Iterable[Labelled], held_out: Collection[str]) -> pd.DataFrame:
    """One row per response the selection leaves: [response_id, side, positive, lines_differ].

    `held_out` are the problems the PRM is measured on; `positive` is the share of +1 among labels that are not 0.
    """
    import pandas as pd

    rows = [_prm_row(one, one.problem_id in held_out) for one in chosen]
    return pd.DataFrame(rows, columns=["response_id", "problem_id", "side", "positive", "lines_differ"])


def _prm_row(one: Labelled, held: bool) -> dict[str, Any]:
    judged = [label for label in one.labels if label]
    lines = len(split_lines(one.text))
    differ = f"{one.response_id}: {len(one.labels)} labels, {lines} lines"
    return {
        "response_id": one.response_id,
        "problem_id": one.problem_id,
        "side": "held out" if held else "fit",
        "positive": sum(label == 1 for label in judged) / len(judged) if judged else None,
        # labels by mutation judge the lines up to the edited one, and no more
        "lines_differ": differ
        if (len(one.labels) > lines or (one.sampled and len(one.labels) != lines))
        else None,
    }


def score_facts(samples: pd.DataFrame, summary: Mapping[str, Any]) -> pd.DataFrame:
    """One row per benchmark problem: [problem_id, samples, uneven, summary_differs, contaminated]."""
    import pandas as pd

    grouped = samples.groupby("problem_id", sort=True)
    judged = samples[samples["status"] != "no_verdict"].groupby("problem_id")["status"]
    facts = pd.DataFrame({"samples": grouped.size(), "n": judged.size(), "c": judged.apply(_passed)})
    facts = facts.fillna(0).astype(int).reset_index()
    told = {row["problem_id"]: (row["n"], row["c"]) for row in summary["per_problem"]}
    usual = facts["samples"].mode().iloc[0] if len(facts) else 0
    found = (summary.get("contamination") or {}).get("worst", [])
    exact = {
        one["problem_id"]: f"{one['problem_id']}: is in {one['training_id']}" for one in found if one["exact"]
    }
    facts["uneven"] = [_unlike(row.problem_id, row.samples, usual) for row in facts.itertuples()]
    facts["summary_differs"] = [
        _unlike(row.problem_id, (row.n, row.c), told.get(row.problem_id, (0, 0)))
        for row in facts.itertuples()
    ]
    facts["contaminated"] = facts["problem_id"].map(exact).astype(object)
    return facts


def _passed(statuses: pd.Series) -> int:
    return int((statuses == "passed").sum())


def _unlike(name: str, found: Any, wanted: Any) -> str | None:
    return None if found == wanted else f"{name}: {found} instead of {wanted}"
