"""Files in and out: streamed, compressed or not, faults named, nothing half-written."""

from __future__ import annotations

import gzip
import json

import pytest
import zstandard

from tasks.benchmarks import files
from tasks.benchmarks.files import field, read_json_lines, read_objects, whole_file, write_json_line
from tasks.errors import BadInput

LINES = b'{"a": 1}\n\n{"a": "\xc3\xa9"}\n'


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.jsonl", LINES),
        ("x.jsonl", b"\xef\xbb\xbf" + LINES),
        ("x.jsonl", LINES.rstrip()),
        ("x.jsonl", LINES.replace(b"\n", b"\r\n")),
        ("x.jsonl.gz", gzip.compress(LINES)),
        ("x.jsonl.gz", gzip.compress(LINES[:9]) + gzip.compress(LINES[9:])),
        ("x.jsonl.zst", zstandard.compress(LINES)),
        ("x.jsonl.zst", zstandard.compress(LINES[:9]) + zstandard.compress(LINES[9:])),
        ("x.json", json.dumps([{"a": 1}, {"a": "é"}]).encode()),
    ],
    ids=[
        "plain",
        "byte order mark",
        "no last newline",
        "crlf",
        "gz",
        "gz parts",
        "zst",
        "zst frames",
        "list",
    ],
)
def test_rows_are_read_from_every_form(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data)
    assert [row for _, row in read_objects(path)] == [{"a": 1}, {"a": "é"}]


def test_parquet_rows_are_read(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist([{"a": 1}, {"a": 2}]), tmp_path / "x.parquet")
    assert [(where[-5:], row) for where, row in read_objects(tmp_path / "x.parquet")] == [
        ("row 1", {"a": 1}),
        ("row 2", {"a": 2}),
    ]


@pytest.mark.parametrize(
    ("name", "data", "where", "problem"),
    [
        ("x.jsonl", b'{"a": 1}\n{"a": \n', "x.jsonl:2", "not JSON"),
        ("x.jsonl", b'{"a": 1}\n[1]\n', "x.jsonl:2", "not an object"),
        ("x.jsonl", b'{"a": "\xe9"}\n', "x.jsonl:1", "not UTF-8"),
        ("x.jsonl", b'{"a":' + b"[" * 100_000 + b"\n", "x.jsonl:1", "not JSON"),
        ("x.jsonl.gz", gzip.compress(LINES * 1000)[:-40], "x.jsonl.gz:", "damaged"),
        ("x.jsonl.gz", LINES, "x.jsonl.gz:1", "damaged"),
        ("x.jsonl.zst", LINES, "x.jsonl.zst:1", "damaged"),
        ("x.json", b"{", "x.json", "not JSON"),
        ("x.json", b"{}", "x.json", "not a list"),
        ("x.parquet", b"PAR1", "x.parquet", "not Parquet"),
    ],
)
def test_faults_name_the_file_and_the_line(tmp_path, name, data, where, problem):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(BadInput) as caught:
        list(read_objects(path))
    assert where in caught.value.where
    assert problem in caught.value.problem


def test_a_missing_file_is_named(tmp_path):
    for name in ("x.jsonl", "x.json", "x.parquet"):
        with pytest.raises(BadInput, match=f"{name}: no such file"):
            list(read_objects(tmp_path / name))


def test_an_endless_line_is_refused_at_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LONGEST_LINE", 1000)
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1}\n{"a": "' + "x" * 1000 + '"}\n')
    with pytest.raises(BadInput, match=r"x\.jsonl:2: the line is too long"):
        list(read_json_lines(path))
    monkeypatch.setattr(files, "LONGEST_LINE", 2000)
    assert len(list(read_json_lines(path))) == 2


def test_field_checks_presence_and_type():
    assert field({"a": 1}, "a", int, "f:1") == 1
    for row, kind in (({}, int), ({"a": True}, int), ({"a": "1"}, int), ({"a": None}, str)):
        with pytest.raises(BadInput, match="f:1: field 'a'"):
            field(row, "a", kind, "f:1")


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz", "out.jsonl.zst"])
def test_output_appears_whole_and_reads_back(tmp_path, name):
    with whole_file(tmp_path / "deep" / name) as stream:
        write_json_line(stream, {"a": "é\n"})
        assert not (tmp_path / "deep" / name).exists()
    assert [row for _, row in read_json_lines(tmp_path / "deep" / name)] == [{"a": "é\n"}]


def test_a_failing_writer_leaves_nothing(tmp_path):
    (tmp_path / "out").write_text("before")
    with pytest.raises(TypeError), whole_file(tmp_path / "out") as stream:
        write_json_line(stream, {"half": 1, "rest": object()})
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out").read_text() == "before"


def test_a_place_that_cannot_be_written_is_bad_input(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written"), whole_file(tmp_path / "file" / "out"):
        pass
