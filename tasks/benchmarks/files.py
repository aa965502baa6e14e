"""JSON lines in and out: streamed, .gz and .zst accepted, every fault named by file, line and field.

An output file appears under its name only when it is complete.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from tasks.errors import BadInput

ROWS_AT_ONCE = 256
LONGEST_LINE = 64 * 2**20  # bytes; the largest real test rows (LiveCodeBench) are a few megabytes

_ODD_VALUES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_FORMS = "rows as in docs/problems.md and docs/evaluation.md"

Row = dict[str, Any]
_TYPE_NAMES = {str: "a string", int: "a whole number", list: "a list", dict: "an object"}


def read_objects(path: Path) -> Iterator[tuple[str, Row]]:
    """`(where, object)` from JSON lines, a .json file holding one list, or Parquet; `where` names file and row.

    Raises BadInput as `read_json_lines` does.
    """
    if path.suffix == ".parquet":
        yield from _read_parquet(path)
    elif path.suffix == ".json":
        yield from _read_json_list(path)
    else:
        yield from read_json_lines(path)


def read_json_lines(path: Path) -> Iterator[tuple[str, Row]]:
    """`("FILE:LINE", object)` for every line that is not blank; only one line is in memory at a time.

    Raises BadInput for a missing, damaged or wrongly encoded file, a line that is too long or no JSON object.
    """
    _require_file(path)
    with _open_binary(path) as stream:
        for number, line in enumerate(_lines(stream, path), 1):
            if line.strip():
                yield f"{path}:{number}", _parse(line, f"{path}:{number}")


def field(row: Mapping[str, Any], name: str, kind: type, where: str) -> Any:
    """`row[name]`, which must be there and of type `kind` (a bool is no number)."""
    if name not in row:
        raise BadInput(where, f"field {name!r} is missing", f"{_TYPE_NAMES[kind]}")
    return typed(row[name], name, kind, where)


def typed(value: Any, name: str, kind: type, where: str) -> Any:
    """`value`, which must be of type `kind`."""
    if not isinstance(value, kind) or isinstance(value, bool):
        raise BadInput(where, f"field {name!r} is {type(value).__name__} {value!r:.60}", _TYPE_NAMES[kind])
    return value


@contextmanager
def reading_row(where: str) -> Iterator[None]:
    """Inside, whatever odd values of a row cause is bad input that names the row: no form is checked in every corner."""
    try:
        yield
    except BadInput as refusal:
        if refusal.where.startswith(where):
            raise
        raise BadInput(where, f"field {refusal.where!r} {refusal.problem}", refusal.allowed) from refusal
    except _ODD_VALUES as error:
        raise BadInput(where, f"is malformed: {type(error).__name__}: {error!s:.200}", _FORMS) from error


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """Write text to `path`: all of it, or nothing if the block raises. Compressed by the ending .gz or .zst."""
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = open(part, "wb")  # noqa: SIM115 - closed below, after the check that it can be opened
    except OSError as error:
        raise BadInput(str(path), f"cannot be written: {error.strerror}", "a writable folder") from error
    try:
        with raw, _compressor(raw, path) as packed:
            text = io.TextIOWrapper(packed, encoding="utf-8", newline="\n")
            yield text
            text.flush()
            text.detach()
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_json_line(stream: TextIO, row: Mapping[str, Any]) -> None:
    stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def _read_json_list(path: Path) -> Iterator[tuple[str, Row]]:
    _require_file(path)
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadInput(str(path), f"is not JSON: {error}", "one list of objects") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadInput(str(path), "is not a list of objects", "one list of objects, or .jsonl")
    for number, row in enumerate(rows):
        yield f"{path}[{number}]", row


def _read_parquet(path: Path) -> Iterator[tuple[str, Row]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    _require_file(path)
    number = 0
    try:
        for batch in pq.ParquetFile(path).iter_batches(ROWS_AT_ONCE):
            for row in batch.to_pylist():
                number += 1
                yield f"{path} row {number}", row
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BadInput(f"{path} row {number + 1}", f"is not Parquet: {error}") from error


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise BadInput(str(path), "no such file", ".jsonl, .jsonl.gz, .jsonl.zst, .json or .parquet")


def _parse(line: bytes, where: str) -> Row:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadInput(where, f"is not UTF-8 (byte {error.start})", "UTF-8 text") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(where, f"is not JSON: {error}", "one JSON object per line") from error
    if not isinstance(row, dict):
        raise BadInput(where, f"is {type(row).__name__}, not an object", "one JSON object per line")
    return row


def _lines(stream: BinaryIO, path: Path) -> Iterator[bytes]:
    number = 0
    while True:
        number += 1
        try:
            line = stream.readline(LONGEST_LINE + 1)
        except (OSError, EOFError, zlib.error, _zstd_error()) as error:
            raise BadInput(f"{path}:{number}", f"the file is damaged: {error}") from error
        if not line:
            return
        if len(line) > LONGEST_LINE:
            raise BadInput(f"{path}:{number}", "the line is too long", f"at most {LONGEST_LINE >> 20} MiB")
        yield line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line


@contextmanager
def _open_binary(path: Path) -> Iterator[BinaryIO]:
    with open(path, "rb") as raw:
        if path.suffix == ".gz":
            yield io.BufferedReader(gzip.GzipFile(fileobj=raw))
        elif path.suffix == ".zst":
            import zstandard

            yield io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True))
        else:
            yield raw


def _zstd_error() -> type[Exception]:
    import zstandard

    return zstandard.ZstdError


@contextmanager
def _compressor(raw: BinaryIO, path: Path) -> Iterator[Any]:
    if path.suffix == ".gz":
        with gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as packed:
            yield packed
    elif path.suffix == ".zst":
        import zstandard

        with zstandard.ZstdCompressor().stream_writer(raw, closefd=False) as packed:
            yield packed
    else:
        yield raw
