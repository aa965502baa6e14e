"""What every store does, on disk and on S3 alike."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tasks.errors import BadInput
from tasks.store import Store, open_store


def test_what_is_uploaded_is_read_listed_and_downloaded(store: Store, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(range(256)) * 5000)
    store.upload("kind/ab/file", tmp_path / "big")
    assert store.exists("kind/ab/file")
    assert store.read("kind/ab/file") == (tmp_path / "big").read_bytes()
    store.download("kind/ab/file", tmp_path / "deep" / "copy")
    assert (tmp_path / "deep" / "copy").read_bytes() == (tmp_path / "big").read_bytes()
    assert list(store.list("kind")) == ["kind/ab/file"]


def test_upload_replaces(store: Store, tmp_path: Path) -> None:
    for text in ("first and longer", "second"):
        (tmp_path / "file").write_text(text)
        store.upload("key", tmp_path / "file")
    assert store.read("key") == b"second"


def test_listing_is_sorted_and_stays_below_the_folder(store: Store) -> None:
    for key in ("a/2", "a/10", "a/b/1", "ab/1", "c"):
        store.put_if_absent(key, b"x")
    assert list(store.list("a")) == ["a/10", "a/2", "a/b/1"]
    assert list(store.list("nothing")) == []


def test_put_if_absent_keeps_the_first(store: Store) -> None:
    assert store.put_if_absent("key", b"first")
    assert not store.put_if_absent("key", b"second")
    assert store.read("key") == b"first"


def test_of_many_writers_at_once_one_wins(store: Store) -> None:
    won: list[int] = []
    start = threading.Barrier(8)

    def write(number: int) -> None:
        start.wait()
        if store.put_if_absent("contested", b"%d" % number):
            won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert store.read("contested") == b"%d" % won[0]


def test_missing_keys(store: Store, tmp_path: Path) -> None:
    assert not store.exists("absent")
    with pytest.raises(FileNotFoundError):
        store.read("absent")
    with pytest.raises(FileNotFoundError):
        store.download("absent", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    store.delete("absent")


def test_deleted_keys_are_gone(store: Store) -> None:
    store.put_if_absent("a/key", b"x")
    store.delete("a/key")
    assert not store.exists("a/key")
    assert list(store.list("a")) == []


def test_many_keys_are_deleted_at_once_and_no_other(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.store.s3.DELETED_AT_ONCE", 3)
    keys = [f"a/{number} & <odd>" for number in range(7)]
    for key in (*keys, "a/kept"):
        store.put_if_absent(key, b"x")
    store.delete_all([*keys, "a/never there"])
    assert list(store.list("a")) == ["a/kept"]
    store.delete_all([])


@pytest.mark.parametrize("key", ["../outside", "a/../../outside", "/etc/passwd"])
def test_keys_stay_inside_the_store(store: Store, key: str) -> None:
    with pytest.raises(BadInput, match="leaves the store"):
        store.put_if_absent(key, b"x")


@pytest.mark.parametrize(
    "uri", ["", "store", "/tmp/store", "file://relative", "s3://", "gs://bucket", "http://x"]
)
def test_what_is_no_store_address_is_refused(uri: str) -> None:
    with pytest.raises(BadInput, match="is not a store address"):
        open_store(uri)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match="cannot be written"):
        open_store(f"file://{tmp_path}/file/store")


def test_entries_are_all_keys_with_size_and_time(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    for key in ("kind/ab/file", "top"):
        store.upload(key, tmp_path / "file")
    found = {entry.key: entry for entry in store.entries() if not entry.key.startswith("_probe")}
    assert {key: entry.size for key, entry in found.items()} == {"kind/ab/file": 5, "top": 5}
    assert abs(found["top"].modified - time.time()) < 60
