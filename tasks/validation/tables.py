"""What is validated, as data frames: the rows themselves, and one row per problem or response with facts about it.

Facts are columns that an expectation can judge and an example can show: a reason where something is wrong, empty where
all is well. Artifacts of one kind are validated together, so that keys are unique across them, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import BadInput
from tasks.rows import RowKind, arrow_schema
from tasks.sandbox import tests_from_json
from tasks.sandbox.program import AssertTests

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN_LICENCE = "unknown"
"""What a problem has whose file tells no licence."""


def read_frame(kind: RowKind, paths: Sequence[Path]) -> pd.DataFrame:
    """The rows of several files of one kind; raises BadInput when a file is no Parquet or has another schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = []
    for path in paths:
        if not path.is_file():
            raise BadInput(str(path), f"no such file of {kind.name} rows")
        try:
            table = pq.read_table(path)
        except pa.ArrowException as error:
            raise BadInput(str(path), f"is not Parquet: {error}") from error
        _check_schema(kind, table.schema.remove_metadata(), path)
        tables.append(table)
    return pa.concat_tables(tables).to_pandas()


def _check_schema(kind: RowKind, found: object, path: Path) -> None:
    """Names the first column that is missing, unknown, out of order or of another type. `found` is an Arrow schema."""
    expected = [(field.name, str(field.type)) for field in arrow_schema(kind)]
    given = [(field.name, str(field.type)) for field in found]  # type: ignore[attr-defined]
    for position, (wanted, got) in enumerate(zip(expected, given, strict=False)):
        if wanted != got:
            where = f"{path}: column {position} {got[0]!r} ({got[1]})"
            raise BadInput(where, "is not what the schema has there", f"{wanted[0]} ({wanted[1]})")
    if len(expected) != len(given):
        raise BadInput(str(path), f"has {len(given)} columns", f"the {len(expected)} of {kind.name}")


def problem_facts(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per problem: [problem_id, tests, licence, no_licence, bad_tests, empty_prompt, in_other_splits].

    `licence` is that of a training problem that tells one: a benchmark is asked, not trained on.
    """
    import pandas as pd

    counted = [_count_tests(text) for text in rows["tests"]]
    blank = rows["prompt"].fillna("").str.strip() == ""
    trained = rows["split"] != "test"
    told = ~rows["licence"].fillna("").isin(["", UNKNOWN_LICENCE])
    leaked = rows.groupby("prompt")["split"].transform("nunique") > 1
    return pd.DataFrame(
        {
            "problem_id": rows["problem_id"],
            "tests": [count for count, _ in counted],
            "licence": rows["licence"].where(trained & told),
            "no_licence": rows["problem_id"].where(trained & ~told),
            "bad_tests": [reason for _, reason in counted],
            "empty_prompt": rows["problem_id"].where(blank),
            "in_other_splits": rows["problem_id"].where(leaked),
        }
    )


def _count_tests(text: str) -> tuple[int, str | None]:
    try:
        tests = tests_from_json(text)
    except (BadInput, ValueError, KeyError, TypeError) as error:
        return 0, str(error)[:200]
    return len(tests.calls if isinstance(tests, AssertTests) else tests.cases), None


def response_facts(responses: pd.DataFrame) -> pd.DataFrame:
    """One row per response: [response_id, no_verdict, timeout, disagreement].

    `no_verdict` and `timeout` are 0 or 1; `disagreement` tells where the status and the tests passed contradict each other.
    """
    import pandas as pd

    all_passed = responses["tests_passed"] == responses["tests_total"]
    wrong = (responses["status"] == "passed") != all_passed
    return pd.DataFrame(
        {
            "response_id": responses["response_id"],
            "no_verdict": (responses["status"] == "no_verdict").astype(int),
            "timeout": (responses["status"] == "timeout").astype(int),
            "disagreement": _reason(responses, wrong, ("status", "tests_passed", "tests_total")),
        }
    )


def label_facts(labels: pd.DataFrame, responses: pd.DataFrame) -> pd.DataFrame:
    """One row per response that was labelled by search (section 3 of the paper), with what its labels violate.

    [response_id, lines, positive, unknown_response, gaps, not_monotone, against_verdict]; `positive` is the share of +1
    among the labels that are not 0 (NaN where there is none).
    """
    import pandas as pd

    searched = labels[labels["source"] == "search"].sort_values(["response_id", "line"])
    grouped = searched.groupby("response_id", sort=True)
    facts = pd.DataFrame(
        {
            "lines": grouped["lines"].max(),
            "lengths": grouped["lines"].nunique(),
            "rows": grouped.size(),
            "first": grouped["line"].min(),
            "last": grouped["line"].max(),
            "lowest": grouped["label"].min(),
        }
    )
    facts["last_label"] = grouped["label"].last()
    judged = searched[searched["label"] != 0]
    facts["positive"] = (judged["label"] == 1).groupby(judged["response_id"]).mean()
    rises = judged["label"] > judged.groupby("response_id")["label"].shift(1)
    facts["rises"] = rises.groupby(judged["response_id"]).sum()
    verdicts = responses.drop_duplicates("response_id").set_index("response_id")["status"]
    facts["status"] = verdicts.reindex(facts.index)
    facts = facts.reset_index()
    gaps = (facts["rows"] != facts["lines"]) | (facts["first"] != 1) | (facts["last"] != facts["lines"])
    passed = facts["status"] == "passed"
    against = (passed & (facts["lowest"] == -1)) | (
        ~passed & facts["status"].notna() & (facts["last_label"] == 1)
    )
    facts["unknown_response"] = facts["response_id"].where(facts["status"].isna())
    facts["gaps"] = _reason(facts, gaps | (facts["lengths"] != 1), ("rows", "first", "last", "lines"))
    facts["not_monotone"] = facts["response_id"].where(facts["rises"] > 0)
    facts["against_verdict"] = _reason(facts, against, ("status", "lowest", "last_label"))
    broken = ["unknown_response", "gaps", "not_monotone", "against_verdict"]
    return facts[["response_id", "lines", "positive", *broken]]


def _reason(frame: pd.DataFrame, wrong: pd.Series, shown: Sequence[str]) -> pd.Series:
    """`ID: column value, ...` where `wrong`, else missing."""
    parts = [f"{name} " + frame[name].astype(str) for name in shown]
    text = frame["response_id"] + ": " + parts[0]
    for part in parts[1:]:
        text = text + ", " + part
    return text.where(wrong)
