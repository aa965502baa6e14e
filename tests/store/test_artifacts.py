"""Artifacts are whole or absent, and damage is found by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import BadInput
from tasks.store import Store, fetch, fetch_uri, publish
from tasks.store.artifacts import (
    MANIFEST,
    artifact_key,
    digest_of,
    discard,
    read_manifest,
    seal_of,
    split_address,
)

KEY = artifact_key("model", "ab" * 32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small artifact's files."""
    (tmp_path / "made" / "weights").mkdir(parents=True)
    (tmp_path / "made" / "config.json").write_text('{"layers": 2}')
    (tmp_path / "made" / "weights" / "1.bin").write_bytes(bytes(1000))
    return tmp_path / "made"


def overwrite(store: Store, key: str, data: bytes, scratch: Path) -> None:
    scratch.write_bytes(data)
    store.upload(key, scratch)


def test_published_files_are_fetched_back(store: Store, folder: Path, tmp_path: Path) -> None:
    manifest = publish(store, KEY, folder, {"kind": "model"})
    artifact = fetch_uri(f"{store.uri}/{KEY}", tmp_path / "cache")
    assert artifact.kind == "model"
    assert artifact.content == manifest["content"]
    assert (artifact.path / "weights" / "1.bin").read_bytes() == bytes(1000)
    assert split_address(artifact.uri) == (store.uri, KEY)


def test_content_depends_on_names_and_bytes_only(store: Store, folder: Path) -> None:
    first = publish(store, KEY, folder, {"kind": "model", "seconds": 1.0})
    same = publish(store, artifact_key("model", "cd" * 32), folder, {"kind": "model", "seconds": 2.0})
    (folder / "config.json").rename(folder / "renamed.json")
    other = publish(store, artifact_key("model", "ef" * 32), folder, {"kind": "model"})
    assert first["content"] == same["content"] != other["content"]


@pytest.mark.parametrize("data", [b"", bytes(999), bytes(999) + b"x"])
def test_an_altered_or_truncated_file_is_named(
    store: Store, folder: Path, tmp_path: Path, data: bytes
) -> None:
    publish(store, KEY, folder, {"kind": "model"})
    overwrite(store, f"{KEY}/weights/1.bin", data, tmp_path / "altered")
    with pytest.raises(BadInput, match=r"weights/1\.bin.*does not match its manifest"):
        fetch(store, KEY, tmp_path / "cache")


def test_a_missing_file_is_named(store: Store, folder: Path, tmp_path: Path) -> None:
    publish(store, KEY, folder, {"kind": "model"})
    store.delete(f"{KEY}/weights/1.bin")
    with pytest.raises(BadInput, match=r"weights/1\.bin"):
        fetch(store, KEY, tmp_path / "cache")


def test_without_a_manifest_there_is_no_artifact(store: Store, folder: Path, tmp_path: Path) -> None:
    publish(store, KEY, folder, {"kind": "model"})
    store.delete(f"{KEY}/{MANIFEST}")
    with pytest.raises(BadInput, match="no such artifact"):
        fetch(store, KEY, tmp_path / "cache")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": 3}', "\xff"])
def test_a_damaged_manifest_is_named(store: Store, folder: Path, tmp_path: Path, text: str) -> None:
    publish(store, KEY, folder, {"kind": "model"})
    overwrite(store, f"{KEY}/{MANIFEST}", text.encode("latin-1"), tmp_path / "altered")
    with pytest.raises(BadInput, match="is damaged"):
        read_manifest(store, KEY)


@pytest.mark.parametrize("other", [{"format": 99}, {"format": 0}, {}])
def test_a_manifest_of_another_format_is_refused(
    store: Store, folder: Path, tmp_path: Path, other: dict[str, int]
) -> None:
    manifest = publish(store, KEY, folder, {"kind": "model"})
    del manifest["format"], manifest["seal"]
    manifest |= other
    manifest["seal"] = seal_of(manifest)
    text = json.dumps(manifest, indent=1, sort_keys=True)
    overwrite(store, f"{KEY}/{MANIFEST}", text.encode(), tmp_path / "altered")
    told = rf"has format {other.get('format')}, this revision reads 1; allowed: .*another store"
    with pytest.raises(BadInput, match=told):
        fetch(store, KEY, tmp_path / "cache")


@pytest.mark.parametrize("name", ["../../../outside", "/etc/passwd"])
def test_a_manifest_cannot_name_files_outside(store: Store, folder: Path, tmp_path: Path, name: str) -> None:
    manifest: dict[str, Any] = publish(store, KEY, folder, {"kind": "model"})
    manifest["files"] = {name: manifest["files"]["config.json"]}
    manifest["seal"] = seal_of(manifest)
    overwrite(
        store,
        f"{KEY}/{MANIFEST}",
        json.dumps(manifest, indent=1, sort_keys=True).encode(),
        tmp_path / "altered",
    )
    with pytest.raises(BadInput, match="leaves the artifact"):
        fetch(store, KEY, tmp_path / "cache")


@pytest.mark.parametrize(("old", "new"), [('"seconds": 1.5', '"seconds": 1.6'), ("{\n", "{ \n")])
def test_any_byte_of_a_manifest_counts(
    store: Store, folder: Path, tmp_path: Path, old: str, new: str
) -> None:
    publish(store, KEY, folder, {"kind": "model", "seconds": 1.5})
    text = store.read(f"{KEY}/{MANIFEST}").decode()
    assert old in text
    overwrite(store, f"{KEY}/{MANIFEST}", text.replace(old, new, 1).encode(), tmp_path / "altered")
    with pytest.raises(BadInput, match="does not match its seal"):
        read_manifest(store, KEY)


def test_links_and_empty_folders_are_not_published(store: Store, folder: Path, tmp_path: Path) -> None:
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(BadInput, match="symbolic link"):
        publish(store, KEY, folder, {"kind": "model"})
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="has no files"):
        publish(store, KEY, tmp_path / "empty", {"kind": "model"})
    assert not store.exists(f"{KEY}/{MANIFEST}")


def test_the_second_writer_of_the_same_content_gets_the_first_one_s_manifest(
    store: Store, folder: Path
) -> None:
    first = publish(store, KEY, folder, {"kind": "model", "label": "first"})
    second = publish(store, KEY, folder, {"kind": "model", "label": "second"})
    assert second["label"] == "first"
    assert second["content"] == first["content"]


def test_a_second_writer_with_other_content_leaves_no_damaged_artifact(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    publish(store, KEY, folder, {"kind": "model"})
    (folder / "config.json").write_text('{"layers": 3}')
    with pytest.raises(RuntimeError, match="different content"):
        publish(store, KEY, folder, {"kind": "model"})
    with pytest.raises(BadInput, match="no such artifact"):
        fetch(store, KEY, tmp_path / "cache")


def test_a_discarded_artifact_is_gone(store: Store, folder: Path) -> None:
    publish(store, KEY, folder, {"kind": "model"})
    discard(store, KEY)
    assert list(store.list("model")) == []


@pytest.mark.parametrize(
    "uri", ["", "model/ab/abab", "file:///x/model/cd/" + "ab" * 32, "/x/model/ab/" + "ab" * 32]
)
def test_what_is_no_artifact_address_is_refused(uri: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is not an artifact address"):
        fetch_uri(uri, tmp_path)


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest_of({"a": 1, "b": [1, 2]}) == digest_of({"b": [1, 2], "a": 1})
    assert digest_of({"a": 1, "b": [1, 2]}) != digest_of({"a": 1, "b": [2, 1]})
