"""Records give the report that the store gives, and tell when the two are not of one kind of machine."""

from __future__ import annotations

import json
import lzma
import shutil

import pytest

from tasks.errors import BadInput
from tasks.store import fetch_uri, open_store, publish
from tasks.study import command
from tasks.study.records import NAME
from tests.study.micro import MICRO, call, rows_of


@pytest.fixture
def published(finished, tmp_path):
    """The report of the whole store, its records among it; and the store."""
    store, _ = finished
    told = report(store, tmp_path / "published")
    return tmp_path / "published", store, told


def report(store, output) -> dict:
    return call("report", "--study", MICRO, "--store", store, "--output", output)


def folder_of(output):
    return output / "micro/development"


def test_without_a_store_the_page_is_the_same(published, tmp_path):
    output, _, told = published
    before = {path.name: path.read_bytes() for path in folder_of(output).iterdir()}
    again = report(f"file://{tmp_path}/empty", output)
    assert {path.name: path.read_bytes() for path in folder_of(output).iterdir()} == before
    assert (again["cells"], again["same_again"], told["same_again"]) == (10, 0, 0)
    with pytest.raises(BadInput, match="no finished cell"):
        report(f"file://{tmp_path}/empty", tmp_path / "elsewhere")


def test_what_is_in_both_is_counted_once_it_is_the_same(published):
    output, store, _ = published
    kept = folder_of(output) / NAME
    manifests = sum(
        '_manifest.json"' in row for row in lzma.decompress(kept.read_bytes()).decode().splitlines()
    )
    assert report(store, output)["same_again"] == manifests > 20


def test_cells_of_two_stores_add_up(published, tmp_path, finished):
    """One store lacks a cell, the other has nothing else."""
    _, store, _ = published
    _, said = finished
    score = said["more_kl/rl/1"]["artifact"]
    (policy,) = fetch_uri(score, tmp_path / "cache").manifest["input_artifacts"]["policy"]
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(store.removeprefix("file://"), first)
    for made in (score, policy):
        place = made.removeprefix(f"{store}/")
        shutil.copytree(first / place, second / place)
        shutil.rmtree(first / place)
    assert report(f"file://{first}", tmp_path / "output")["cells"] == 9
    told = report(f"file://{second}", tmp_path / "output")
    assert (told["cells"], told["same_again"]) == (10, 0)
    assert len(rows_of(folder_of(tmp_path / "output") / "cells.csv")) == 10


def test_a_machine_that_computes_otherwise_is_refused(published, tmp_path, finished):
    output, store, _ = published
    _, said = finished
    key = said["main/rl/0"]["artifact"].removeprefix(f"{store}/")
    (tmp_path / "files").mkdir()
    (tmp_path / "files/summary.json").write_text("{}")
    other = open_store(f"file://{tmp_path}/other")
    manifest = json.loads(open_store(store).read(f"{key}/_manifest.json"))
    publish(other, key, tmp_path / "files", {**manifest, "seconds": 1.0})
    before = {path.name: path.read_bytes() for path in folder_of(output).iterdir()}
    with pytest.raises(BadInput, match="computes otherwise"):
        report(other.uri, output)
    assert {path.name: path.read_bytes() for path in folder_of(output).iterdir()} == before


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda rows: [*rows[:2], rows[2][:-9], *rows[3:]], "row 3"),
        (
            lambda rows: [row.replace('\\"pass_at_1\\": 0', '\\"pass_at_1\\": 1') for row in rows],
            "manifest|seal",
        ),
    ],
)
def test_damaged_records_are_refused(published, tmp_path, damage, told):
    output, _, _ = published
    path = folder_of(output) / NAME
    rows = lzma.decompress(path.read_bytes()).decode().splitlines()
    path.write_bytes(lzma.compress("\n".join(damage(rows)).encode()))
    with pytest.raises(BadInput, match=told):
        report(f"file://{tmp_path}/empty", output)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(BadInput, match="damaged"):
        command.main(
            ["report", "--study", str(MICRO), "--store", f"file://{tmp_path}/empty", "--output", str(output)]
        )
