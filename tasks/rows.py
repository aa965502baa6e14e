"""The schema of every table the stages exchange, one `RowKind` each, written as Parquet.

The columns here are the single source for the files, the Great Expectations suites (`tasks/validation`) and the
table in `docs/artifacts.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.errors import BadInput

_BATCH = 8192  # rows


@dataclass(frozen=True)
class Column:
    """`type` is an Arrow type name (`string`, `int32`, `list<int32>`, ...); `meaning` is what the docs print."""

    name: str
    type: str
    meaning: str
    nullable: bool = False
    allowed: tuple[Any, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class RowKind:
    """A table: its columns in order, and the columns that together are unique."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]


SPLITS = ("train", "validation", "test", "confirmation")
STATUSES = ("passed", "failed", "error", "timeout", "memory", "output", "no_verdict")
LABEL_SOURCES = ("search", "mutation")

PROBLEMS = RowKind(
    "problems",
    (
        Column("problem_id", "string", "unique name of the problem"),
        Column("prompt", "string", "text the model continues"),
        Column("entry_point", "string", "function the tests call; empty for stdin/stdout programs"),
        Column("tests", "string", "tests as JSON (`tasks.sandbox.program.tests_to_json`)"),
        Column("reference", "string", "reference solution as a response to the prompt", nullable=True),
        Column("difficulty", "int32", "0 easiest; for StepCode the number of steps", minimum=0),
        Column("split", "string", "which split the problem belongs to", allowed=SPLITS),
        Column("source", "string", "where the problem comes from"),
        Column("licence", "string", "SPDX identifier or name"),
    ),
    key=("problem_id",),
)

DEMONSTRATIONS = RowKind(
    "demonstrations",
    (
        Column("problem_id", "string", "problem the demonstration answers"),
        Column("text", "string", "response that SFT imitates (may be imperfect on purpose)"),
    ),
    key=("problem_id", "text"),
)

RESPONSES = RowKind(
    "responses",
    (
        Column("response_id", "string", "`problem_id#checkpoint#index`"),
        Column("problem_id", "string", "problem the response answers"),
        Column("checkpoint", "int32", "which baseline checkpoint sampled it, 1 = earliest", minimum=0),
        Column("text", "string", "the response as sampled, without the end-of-text token"),
        Column("tokens", "int32", "sampled tokens, end-of-text included", minimum=0),
        Column("finished", "bool", "the model ended by itself (not cut at the limit)"),
        Column("status", "string", "sandbox verdict", allowed=STATUSES),
        Column("tests_passed", "int32", "tests that passed", minimum=0),
        Column("tests_total", "int32", "tests of the problem", minimum=1),
    ),
    key=("response_id",),
)

LABELS = RowKind(
    "labels",
    (
        Column("response_id", "string", "response the prefix belongs to"),
        Column("problem_id", "string", "problem the response answers"),
        Column("line", "int32", "prefix length m in lines, 1-based", minimum=1),
        Column("lines", "int32", "T, lines of the response", minimum=1),
        Column("label", "int8", "+1 recoverable, -1 not, 0 neutral", allowed=(-1, 0, 1)),
        Column(
            "passes", "int32", "completions of this prefix that passed (evidence)", nullable=True, minimum=0
        ),
        Column("attempts", "int32", "completions of this prefix that were run", nullable=True, minimum=0),
        Column("source", "string", "how the label came about", allowed=LABEL_SOURCES),
    ),
    key=("response_id", "line"),
)

SAMPLES = RowKind(
    "samples",
    (
        Column("problem_id", "string", "benchmark problem"),
        Column("index", "int32", "which of the n samples", minimum=0),
        Column("difficulty", "int32", "difficulty of the problem", minimum=0),
        Column("text", "string", "the response as sampled"),
        Column("tokens", "int32", "tokens of the response", minimum=0),
        Column("status", "string", "sandbox verdict", allowed=STATUSES),
        Column("tests_passed", "int32", "tests that passed", minimum=0),
        Column("tests_total", "int32", "tests of the problem", minimum=0),
        Column("detail", "string", "sandbox detail text, capped"),
    ),
    key=("problem_id", "index"),
)

ROW_KINDS: dict[str, RowKind] = {
    kind.name: kind for kind in (PROBLEMS, DEMONSTRATIONS, RESPONSES, LABELS, SAMPLES)
}


def arrow_schema(kind: RowKind) -> Any:
    """The pyarrow schema of `kind`."""
    import pyarrow as pa

    return pa.schema([pa.field(c.name, pa.type_for_alias(c.type), nullable=c.nullable) for c in kind.columns])


def write_rows(kind: RowKind, rows: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Write `rows` as one Parquet file; same rows give the same bytes. Returns the number of rows.

    Raises BadInput when a row lacks a column, has an unknown one, or a value of the wrong type.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, names = arrow_schema(kind), {c.name for c in kind.columns}
    listed = list(rows)
    for number, row in enumerate(listed):
        if set(row) != names:
            wrong = sorted(set(row) ^ names)
            raise BadInput(
                f"{kind.name} row {number}", f"missing or unknown columns {wrong}", ", ".join(sorted(names))
            )
    try:
        table = pa.Table.from_pylist(listed, schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise BadInput(f"{kind.name} rows for {path.name}", str(error)) from error
    for column in kind.columns:
        if not column.nullable and table[column.name].null_count:
            first = table[column.name].to_pylist().index(None)
            raise BadInput(f"{kind.name} row {first}", f"{column.name} is missing")
    pq.write_table(table, path, compression="zstd")
    return table.num_rows


def read_rows(kind: RowKind, path: Path) -> list[dict[str, Any]]:
    """Read a Parquet file written by `write_rows`; raises BadInput when it is damaged or its schema is not `kind`'s."""
    return list(iterate_rows(kind, path))


def iterate_rows(kind: RowKind, path: Path) -> Iterator[dict[str, Any]]:
    """`read_rows`, some thousand rows in memory at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise BadInput(str(path), f"no such file of {kind.name} rows")
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow.remove_metadata()
            if schema != arrow_schema(kind):
                raise BadInput(str(path), f"columns are {schema.names}", f"the schema of {kind.name}")
            for batch in file.iter_batches(_BATCH):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise BadInput(str(path), f"is damaged: {error!s:.200}", f"Parquet with {kind.name} rows") from error
