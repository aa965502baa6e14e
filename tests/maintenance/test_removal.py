"""Everything that was found goes, nothing else does, and being stopped in the middle does no harm."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.errors import BadInput
from tasks.maintenance.leftovers import Leftovers
from tasks.maintenance.removal import TRASH, remove
from tasks.store import Store, open_store, publish
from tasks.store.artifacts import MANIFEST, artifact_key, read_manifest
from tests.store.conftest import moto, s3, store, store_uri  # noqa: F401

KEYS = [artifact_key("policy", mark * 64) for mark in "abc"]
CHECKPOINTS = f"_checkpoints/{'d' * 64}"


class Stopped(Exception):
    pass


@pytest.fixture
def filled(store: Store, tmp_path: Path) -> Store:  # noqa: F811
    """Three artifacts of two files, one of them in a folder, and checkpoints of a stage."""
    made = tmp_path / "made"
    (made / "deep").mkdir(parents=True)
    for name in ("file", "deep/file"):
        (made / name).write_text(name)
    for key in (*KEYS, f"{CHECKPOINTS}/00000001", f"{CHECKPOINTS}/00000002"):
        publish(store, key, made, {"kind": "policy"})
    return store


def keys(store: Store) -> set[str]:  # noqa: F811
    return {entry.key for entry in store.entries() if not entry.key.startswith("_probe")}


def leftovers(store: Store, *gone: str) -> Leftovers:  # noqa: F811
    sizes = {key: sum(one.size for one in store.entries() if one.key.startswith(f"{key}/")) for key in gone}
    artifacts = {key: size for key, size in sizes.items() if key != CHECKPOINTS}
    return Leftovers(3, artifacts, {}, {key: sizes[key] for key in gone if key == CHECKPOINTS})


def stop_after(times: int) -> Callable[[int], None]:
    left = iter(range(times))

    def on_removed(_: int) -> None:
        if next(left, None) is None:
            raise Stopped

    return on_removed


def test_all_that_was_found_goes_and_its_bytes_are_told(filled: Store) -> None:
    found, told = leftovers(filled, KEYS[0], KEYS[2], CHECKPOINTS), []
    remove(filled, found, told.append)
    assert keys(filled) == {f"{KEYS[1]}/{name}" for name in ("file", "deep/file", MANIFEST)}
    assert sum(told) == found.bytes > 0


def test_stopped_in_the_middle_no_half_is_left_to_be_read_and_again_it_ends(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.maintenance.removal._BATCH", 2)
    with pytest.raises(Stopped):
        remove(filled, leftovers(filled, *KEYS), stop_after(0))
    assert 0 < len(keys(filled)) < 15
    for key in KEYS:
        left = {name for name in keys(filled) if name.startswith(f"{key}/")}
        if f"{key}/{MANIFEST}" in left:
            assert set(read_manifest(filled, key)["files"]) == {"file", "deep/file"}
            assert len(left) == 3
    remove(filled, leftovers(filled, *KEYS))
    assert {key.split("/")[0] for key in keys(filled)} == {"_checkpoints"}


def test_what_is_gone_already_is_no_error(filled: Store) -> None:
    found = leftovers(filled, *KEYS)
    filled.delete_all([key for key in keys(filled) if key.startswith(KEYS[1])])
    if folder := filled.local_path(KEYS[1]):
        shutil.rmtree(folder)
    remove(filled, found)
    assert {key.split("/")[0] for key in keys(filled)} == {"_checkpoints"}


def test_trash_of_somebody_who_was_killed_goes_with_the_next(tmp_path: Path) -> None:
    disk = open_store(f"file://{tmp_path}/store")
    left = tmp_path / "store" / TRASH / "7"
    left.mkdir(parents=True)
    (left / "file").write_text("x")
    remove(disk, Leftovers(0))
    assert not left.parent.exists()


def test_a_server_that_refuses_some_keys_is_named(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    if filled.local_path("") is not None:
        pytest.skip("a disk answers by itself")
    refused = {"Errors": [{"Key": "policy/aa", "Code": "AccessDenied"}]}
    monkeypatch.setattr(filled.client, "delete_objects", lambda **_: refused)  # type: ignore[attr-defined]
    with pytest.raises(BadInput, match=r"1 keys are not removed: policy/aa: AccessDenied"):
        remove(filled, leftovers(filled, KEYS[0]))
