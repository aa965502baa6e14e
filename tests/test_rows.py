"""Tables are written as their schema says, the same bytes every time, and nothing else is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.errors import BadInput
from tasks.rows import LABELS, ROW_KINDS, Column, RowKind, arrow_schema, read_rows, write_rows
from tasks.sandbox.program import STATUSES as SANDBOX_STATUSES


def label(line: int, **changes: Any) -> dict[str, Any]:
    row = {
        "response_id": "p0#1#0",
        "problem_id": "p0",
        "line": line,
        "lines": 3,
        "label": 1,
        "passes": None,
        "attempts": None,
        "source": "search",
    }
    return {**row, **changes}


def example(column: Column) -> Any:
    """Some value that a column takes."""
    if column.allowed is not None:
        return column.allowed[0]
    return {"string": "text\r\n\u00e9", "bool": True}.get(column.type, 1)


@pytest.mark.parametrize("kind", ROW_KINDS.values(), ids=ROW_KINDS)
def test_every_kind_is_read_back_as_written(kind: RowKind, tmp_path: Path) -> None:
    rows = [{column.name: example(column) for column in kind.columns}]
    rows.append({column.name: None if column.nullable else example(column) for column in kind.columns})
    assert write_rows(kind, rows, tmp_path / "table") == 2
    assert read_rows(kind, tmp_path / "table") == rows


@pytest.mark.parametrize("kind", ROW_KINDS.values(), ids=ROW_KINDS)
def test_keys_are_columns_and_names_are_not_repeated(kind: RowKind) -> None:
    names = [column.name for column in kind.columns]
    assert set(kind.key) <= set(names)
    assert len(set(names)) == len(names)
    assert all(column.meaning for column in kind.columns)


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_rows(LABELS, (label(line) for line in (1, 2, 3)), tmp_path / name)
    write_rows(LABELS, (label(line) for line in (1, 3, 2)), tmp_path / "other")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert (tmp_path / "first").read_bytes() != (tmp_path / "other").read_bytes()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"line": 1}, "labels row 1: missing or unknown columns"),
        (label(2, extra=1), r"labels row 1: missing or unknown columns \['extra'\]"),
        (label("two"), "labels rows"),  # type: ignore[arg-type]
        (label(2, label=300), "labels rows"),
    ],
)
def test_a_row_that_does_not_fit_is_refused(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=message):
        write_rows(LABELS, [label(1), row], tmp_path / "table")
    assert not (tmp_path / "table").exists()


def test_a_missing_value_is_refused_where_a_column_needs_one(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="labels row 0: label is missing"):
        write_rows(LABELS, [label(1, label=None)], tmp_path / "table")


def test_a_file_of_another_schema_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"line": [1]}), tmp_path / "table")
    with pytest.raises(BadInput, match="the schema of labels"):
        read_rows(LABELS, tmp_path / "table")
    with pytest.raises(BadInput, match="no such file of labels rows"):
        read_rows(LABELS, tmp_path / "absent")


def test_schemas_say_what_may_be_missing() -> None:
    schema = arrow_schema(LABELS)
    assert schema.field("passes").nullable
    assert not schema.field("label").nullable


def test_the_statuses_are_the_sandbox_s() -> None:
    (status,) = [column for column in ROW_KINDS["samples"].columns if column.name == "status"]
    assert status.allowed == SANDBOX_STATUSES
