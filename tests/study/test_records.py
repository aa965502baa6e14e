"""Records give the report that the store gives, and a store that contradicts them is another replicate."""

from __future__ import annotations

import json
import lzma
import shutil

import pytest

from tasks.errors import BadInput
from tasks.store import fetch_uri, open_store, publish
from tasks.study import command
from tasks.study.chain import Cell, Made
from tasks.study.results import Result, relative_cost
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
    kept = folder_of(output) / "records-1.jsonl.xz"
    manifests = sum(
        '_manifest.json"' in row for row in lzma.decompress(kept.read_bytes()).decode().splitlines()
    )
    assert report(store, output)["same_again"] == manifests > 20


def test_records_tell_nothing_of_the_machine_they_are_from(published, finished):
    """Control: the store's own manifests do."""
    output, store, _ = published
    _, said = finished
    manifest = fetch_uri(said["main/rl/0"]["artifact"], output).manifest
    assert store in json.dumps(manifest)
    rows = lzma.decompress((folder_of(output) / "records-1.jsonl.xz").read_bytes()).decode()
    assert manifest["mlflow_run_id"] in rows
    assert "file:" not in rows
    assert store.removeprefix("file://") not in rows


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


def test_a_store_that_contradicts_is_another_replicate(published, tmp_path, finished):
    """Two scores that another machine has given; its pairs are its own, and costs are compared within a machine."""
    output, store, _ = published
    _, said = finished
    other = tmp_path / "other"
    shutil.copytree(store.removeprefix("file://"), other)
    for cell in ("main/rl/0", "main/rl/1"):
        key = said[cell]["artifact"].removeprefix(f"{store}/")
        give_another_score(other, key, tmp_path / cell.replace("/", "-"))
    told = report(f"file://{other}", output)
    assert (told["cells"], told["replicates"], told["same_again"]) == (10, [1, 2], 0)
    rows = rows_of(folder_of(output) / "cells.csv")
    assert [(row["arm"], row["replicate"], row["seed"]) for row in rows if row["setting"] == "main"] == [
        (arm, replicate, seed)
        for arm, seeds in (("rl", "01"), ("fraction_of_tests", "01"), ("psgpo", "0"))
        for replicate in "12"
        for seed in seeds
    ]
    assert {row["pass_at_1"] for row in rows if (row["arm"], row["replicate"]) == ("rl", "2")} >= {"1.0"}
    compared = rows_of(folder_of(output) / "comparisons.csv")
    pairs = {
        row["arm"]: row["seeds"]
        for row in compared
        if (row["figure"], row["against"]) == ("pass@1", "main/rl")
    }
    assert pairs == {
        "main/fraction_of_tests": "4",
        "main/psgpo": "2",
        "more_kl/rl": "4",
        "less_data/psgpo": "2",
    }
    stages = {row["setting"] for row in rows_of(folder_of(output) / "stages.csv")}
    assert stages == {"main", "less_data"}, "the same artifacts are not paid twice"
    assert "10 of 10 cells; with replicates 20" in (folder_of(output) / "index.html").read_text()
    again = report(f"file://{other}", output)
    assert again["same_again"] > 20, "the second replicate is found again"


def give_another_score(store, key, scratch) -> None:
    """Every problem solved, as another machine might have published it."""
    place = store / key
    manifest = json.loads((place / "_manifest.json").read_text())
    scratch.mkdir()
    for name in manifest["files"]:
        shutil.copy(place / name, scratch / name)
    summary = json.loads((scratch / "summary.json").read_text())
    for row in summary["per_problem"]:
        row["c"] = row["n"]
    (scratch / "summary.json").write_text(json.dumps({**summary, "pass_at_1": 1.0}))
    shutil.rmtree(place)
    publish(open_store(f"file://{store}"), key, scratch, manifest)


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
    path = folder_of(output) / "records-1.jsonl.xz"
    rows = lzma.decompress(path.read_bytes()).decode().splitlines()
    path.write_bytes(lzma.compress("\n".join(damage(rows)).encode()))
    with pytest.raises(BadInput, match=told):
        report(f"file://{tmp_path}/empty", output)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(BadInput, match="damaged"):
        command.main(
            ["report", "--study", str(MICRO), "--store", f"file://{tmp_path}/empty", "--output", str(output)]
        )


def test_costs_are_compared_within_a_machine():
    """The second machine is ten times as slow; a cell that only one of them has is compared there."""
    ours = [costing(1, 8.0), costing(2, 80.0)]
    assert relative_cost(ours, [costing(1, 4.0), costing(2, 40.0)]) == pytest.approx(2.0)
    assert relative_cost(ours[1:], [costing(1, 4.0), costing(2, 40.0), costing(2, 20.0)]) == pytest.approx(
        8 / 3
    )
    assert relative_cost(ours[:1], [costing(2, 40.0)]) is None


def costing(replicate, seconds) -> Result:
    made = Made("file:///x", {"cpu_seconds": seconds})
    return Result(Cell("main", "rl", 0, replicate), (), made, made, {}, (), 0.0, (1, 1))
