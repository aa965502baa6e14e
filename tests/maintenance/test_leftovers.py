"""What is needed stays whatever its age; what nobody needs goes, and only when it is old."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tasks.errors import BadInput
from tasks.maintenance.leftovers import Leftovers, find_leftovers
from tasks.maintenance.removal import remove
from tasks.store import Checkpoints, digest_of, open_store, publish
from tasks.store.artifacts import artifact_key

OLD, NOW = 1_000_000.0, 2_000_000.0
BEFORE = 1_500_000.0


class Shelf:
    """A store on disk with artifacts of any age."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, open_store(f"file://{folder}/store")

    def put(self, name: str, kind: str = "policy", age: float = OLD, **inputs: str) -> str:
        """Address of an artifact that was made from others."""
        source = self.folder / "source"
        source.mkdir(exist_ok=True)
        (source / "file").write_text(name)
        key = artifact_key(kind, digest_of({"name": name}))
        given: Mapping[str, list[str]] = {role: [address] for role, address in inputs.items()}
        publish(self.store, key, source, {"kind": kind, "input_artifacts": given})
        self.age(key, age)
        return f"{self.store.uri}/{key}"

    def age(self, key: str, modified: float) -> None:
        for path in (self.folder / "store" / key).rglob("*"):
            os.utime(path, (modified, modified))

    def gone(self, *needed: str) -> set[str]:
        return {f"{self.store.uri}/{key}" for key, _ in find_leftovers(self.store, needed, BEFORE).items()}


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def chain(shelf: Shelf) -> dict[str, str]:
    problems = shelf.put("problems", "problems")
    sft = shelf.put("sft", "model", problems=problems)
    policy = shelf.put("policy", problems=problems, sft=sft)
    scores = shelf.put("scores", "scores", policy=policy, problems=problems)
    return {"problems": problems, "sft": sft, "policy": policy, "scores": scores}


def test_all_that_a_registered_model_was_made_from_stays(shelf: Shelf) -> None:
    made = chain(shelf)
    other = shelf.put("other")
    assert shelf.gone() == {*made.values(), other}  # nothing registered: all of it is old and unreferenced
    assert shelf.gone(made["policy"]) == {made["scores"], other}
    assert shelf.gone(made["scores"]) == {other}


def test_the_young_and_what_they_were_made_from_stay(shelf: Shelf) -> None:
    made = chain(shelf)
    assert made["sft"] in shelf.gone()
    young = shelf.put("young", age=NOW, sft=made["sft"])
    assert shelf.gone() == {made["policy"], made["scores"]}
    assert young not in shelf.gone()


def test_validations_are_known_by_the_beginning_of_their_digest(shelf: Shelf) -> None:
    first, second = shelf.put("v1", "validation"), shelf.put("v2", "validation")
    begin = first.rsplit("/", 1)[-1][:12]
    assert shelf.gone(f"000000000000, {begin}") == {second}


@pytest.mark.parametrize(
    "text", ["", "runs:/abc/artifact", "0.75", "psgpo", "file:///elsewhere/policy/ab/abc"]
)
def test_other_tags_of_a_version_keep_nothing(text: str, shelf: Shelf) -> None:
    address = shelf.put("policy")
    assert shelf.gone(text) == {address}


def test_checkpoints_go_when_their_stage_is_finished_or_they_are_old(shelf: Shelf) -> None:
    finished = shelf.put("done", age=NOW).rsplit("/", 1)[-1]
    running, abandoned = "a" * 64, "b" * 64
    for digest in (finished, running, abandoned):
        checkpoints = Checkpoints(shelf.store, digest, shelf.folder / "cache")
        checkpoints.save(1, lambda folder: (folder / "state").write_bytes(b"12345") and None)
    shelf.age(f"_checkpoints/{abandoned}", OLD)
    found = find_leftovers(shelf.store, [], BEFORE)
    assert set(found.checkpoints) == {f"_checkpoints/{finished}", f"_checkpoints/{abandoned}"}
    remove(shelf.store, found)
    left = {key.split("/")[1] for key in shelf.store.list("_checkpoints")}
    assert left == {running}


def test_files_without_a_manifest_go_when_they_are_old(shelf: Shelf) -> None:
    (shelf.folder / "bytes").write_bytes(b"x" * 100)
    keys = [artifact_key("policy", mark * 64) for mark in "ab"]
    for key in keys:
        shelf.store.upload(f"{key}/file", shelf.folder / "bytes")
    shelf.age(keys[0], OLD)
    assert find_leftovers(shelf.store, [], BEFORE).unfinished == {keys[0]: 100}


def test_what_is_no_artifact_is_left_alone(shelf: Shelf) -> None:
    for key in ("notes/readme", "_probe/if-none-match", "policy/ab/short/file"):
        shelf.store.put_if_absent(key, b"x")
        os.utime(shelf.folder / "store" / key, (OLD, OLD))
    assert shelf.gone() == set()


def test_a_damaged_manifest_of_what_is_kept_stops_it(shelf: Shelf) -> None:
    made = chain(shelf)
    path = Path(made["policy"].removeprefix("file://")) / "_manifest.json"
    path.write_text(path.read_text().replace("policy", "polizy"))
    os.utime(path, (OLD, OLD))
    assert made["policy"] in shelf.gone()  # nobody needs it, damaged or not
    with pytest.raises(BadInput, match="damaged"):
        shelf.gone(made["policy"])


def test_removing_takes_exactly_what_was_found_and_says_how_much(shelf: Shelf) -> None:
    made = chain(shelf)
    other = shelf.put("other")
    found = find_leftovers(shelf.store, [made["policy"]], BEFORE)
    sizes = sum(
        path.stat().st_size
        for address in (made["scores"], other)
        for path in Path(address.removeprefix("file://")).iterdir()
    )
    assert (found.bytes, found.checked) == (sizes, 5)
    told: list[int] = []
    remove(shelf.store, found, told.append)
    assert sum(told) == sizes
    kept = {path.parent for path in (shelf.folder / "store").rglob("_manifest.json")}
    assert kept == {Path(made[name].removeprefix("file://")) for name in ("problems", "sft", "policy")}
    assert find_leftovers(shelf.store, [made["policy"]], BEFORE) == Leftovers(3)
