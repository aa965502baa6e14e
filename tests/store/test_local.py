"""A folder store whose folders are taken away while it works: what a second process of the same stage does at its end.

The removal is real; only its moment is chosen, just before one of the calls that a write or a listing is made of.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.store.artifacts import publish
from tasks.store.local import LocalStore

OFTEN = 50


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def taken_away(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Before each of the first `times` calls of a function of the system the folder `work` goes; the count left."""

    def before(module: object, name: str, times: int) -> list[int]:
        left, real = [times], getattr(module, name)

        def call(*args: Any, **options: Any) -> Any:
            if left[0]:
                left[0] -= 1
                shutil.rmtree(store.root / "work")
            return real(*args, **options)

        monkeypatch.setattr(module, name, call)
        return left

    return before


@pytest.mark.parametrize("moment", [(tempfile, "mkstemp"), (os, "link")])
def test_creating_goes_on(
    store: LocalStore, taken_away: Callable[..., list[int]], moment: tuple[object, str]
) -> None:
    left = taken_away(*moment, OFTEN)
    assert store.put_if_absent("work/a/key", b"x")
    assert left == [0]
    assert store.read("work/a/key") == b"x"


@pytest.mark.parametrize("moment", [(tempfile, "mkstemp"), (os, "replace")])
def test_uploading_goes_on(
    store: LocalStore,
    taken_away: Callable[..., list[int]],
    moment: tuple[object, str],
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("x")
    left = taken_away(*moment, OFTEN)
    store.upload("work/a/file", tmp_path / "file")
    assert left == [0]
    assert store.read("work/a/file") == b"x"


def test_a_folder_that_never_stays_is_told(store: LocalStore, taken_away: Callable[..., list[int]]) -> None:
    taken_away(os, "link", 10**9)
    with pytest.raises(FileNotFoundError):
        store.put_if_absent("work/a/key", b"x")


def test_listing_goes_on(store: LocalStore) -> None:
    for key in ("work/a/1", "work/b/2", "work/b/c/3"):
        store.put_if_absent(key, b"x")
    entries = store.entries()
    first = next(entries)
    shutil.rmtree(store.root / "work")
    assert first.key.startswith("work/")
    assert len(list(entries)) < 2  # at most its neighbour in a folder that was read already
    assert list(store.list("work")) == []


class TakenByAnother(LocalStore):
    """Somebody else's manifest is there first, the first `times` times, and the whole artifact is removed at once."""

    def __init__(self, root: Path, times: int) -> None:
        super().__init__(root)
        self.times = times

    def put_if_absent(self, key: str, data: bytes) -> bool:
        if not self.times:
            return super().put_if_absent(key, data)
        self.times -= 1
        shutil.rmtree(self.root / "work")
        return False


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/state").write_text("x")
    return tmp_path / "folder"


def test_publishing_goes_on(tmp_path: Path, folder: Path) -> None:
    store = TakenByAnother(tmp_path / "store", 10)
    manifest = publish(store, "work/1", folder, {"kind": "checkpoint"})
    assert store.times == 0
    assert manifest["kind"] == "checkpoint"
    assert sorted(store.list("work")) == ["work/1/_manifest.json", "work/1/state"]


def test_a_manifest_that_is_neither_there_nor_can_be_written_is_told(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(RuntimeError, match="neither there"):
        publish(TakenByAnother(tmp_path / "store", 10**9), "work/1", folder, {"kind": "checkpoint"})


def test_what_is_not_there_to_be_uploaded_is_told(store: LocalStore, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no-such"):
        store.upload("a/key", tmp_path / "no-such")
