"""A folder store whose folders are taken away while it works: what a second process of the same stage does at its end."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.store.artifacts import publish
from tasks.store.local import LocalStore

TIMES = 300


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    """Somebody removes the folder `work` again and again."""
    over = threading.Event()

    def take_away() -> None:
        while not over.is_set():
            shutil.rmtree(tmp_path / "store/work", ignore_errors=True)

    thread = threading.Thread(target=take_away)
    thread.start()
    yield LocalStore(tmp_path / "store")
    over.set()
    thread.join()


def test_writing_and_listing_go_on(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for number in range(TIMES):
        assert store.put_if_absent(f"work/{number}/a/key", b"x")
        store.upload(f"work/{number}/a/file", tmp_path / "file")
        assert all(key.startswith("work/") for key in store.list("work"))
        assert all(entry.size <= 1 for entry in store.entries())


def test_publishing_goes_on(store: LocalStore, tmp_path: Path) -> None:
    """Two at once, so that each finds the other's manifest, or finds it gone."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/state").write_text("x")
    faults: list[Exception] = []

    def write() -> None:
        try:
            for number in range(TIMES):
                publish(store, f"work/{number}", tmp_path / "folder", {"kind": "checkpoint"})
        except Exception as fault:
            faults.append(fault)

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_what_is_not_there_to_be_uploaded_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no-such"):
        LocalStore(tmp_path / "store").upload("a/key", tmp_path / "no-such")


def test_a_manifest_that_is_neither_there_nor_can_be_written_is_told(tmp_path: Path) -> None:
    """A store that takes none and has none: no endless trying."""

    class Refusing(LocalStore):
        def put_if_absent(self, key: str, data: bytes) -> bool:
            return False

    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/state").write_text("x")
    with pytest.raises(RuntimeError, match="neither there"):
        publish(Refusing(tmp_path / "store"), "work/1", tmp_path / "folder", {"kind": "checkpoint"})
