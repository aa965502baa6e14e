"""Artifacts: directories of files with a manifest, addressed by what went into them.

    <store>/<kind>/<digest[:2]>/<digest>/<files...>
    <store>/<kind>/<digest[:2]>/<digest>/_manifest.json      written last, create-if-absent

The digest hashes stage name, the stage's code version, the configuration it reads and its inputs' content. The
manifest lists every file with size and sha256, and one content hash over them; an artifact without a manifest does
not exist. Checkpoints of unfinished stages use the same layout below `_checkpoints/<digest>/`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tasks.errors import BadInput
from tasks.store.stores import Reader, Store, open_store

MANIFEST = "_manifest.json"
FORMAT = 1
_CHUNK = 1 << 20
_TRIES = 20
_AT_ONCE = 4  # files over a network; large ones go in several parts at once besides


@dataclass(frozen=True)
class Artifact:
    """A finished artifact. `path` is a local, verified copy of its files (the store's own folder for `file://`)."""

    uri: str
    digest: str
    manifest: Mapping[str, Any]
    path: Path

    @property
    def kind(self) -> str:
        return str(self.manifest["kind"])

    @property
    def content(self) -> str:
        """sha256 over the files' names and hashes: what downstream digests depend on."""
        return str(self.manifest["content"])


def digest_of(parts: Mapping[str, Any]) -> str:
    """sha256 of canonical JSON, hex."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def artifact_key(kind: str, digest: str) -> str:
    return f"{kind}/{digest[:2]}/{digest}"


def hash_file(path: Path) -> str:
    """sha256 of a file, hex, read in chunks."""
    sha = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK):
            sha.update(chunk)
    return sha.hexdigest()


def hash_files(path: Path) -> dict[str, str]:
    """sha256 of a file, or of every file in a folder (links followed), by name; empty when there is none."""
    files = sorted(path.glob("*")) if path.is_dir() else [path]
    return {file.name: hash_file(file) for file in files if file.is_file()}


def list_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Every file below `folder` by relative name, with size in bytes and sha256. Refuses links and odd names."""
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise BadInput(f"artifact file {name}", "is a symbolic link", "plain files and folders")
        if path.is_file():
            files[name] = {"size": path.stat().st_size, "sha256": hash_file(path)}
    return files


def content_hash(files: Mapping[str, Mapping[str, Any]]) -> str:
    return digest_of({name: entry["sha256"] for name, entry in files.items()})


def seal_of(manifest: Mapping[str, Any]) -> str:
    """sha256 over everything else in a manifest: an altered figure or address is found, too."""
    return digest_of({name: value for name, value in manifest.items() if name != "seal"})


def publish(store: Store, key: str, folder: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Upload a folder, then its manifest. When another writer was first, its manifest is returned instead.

    Both writers upload to the same names. That is harmless as long as the stage is deterministic; should the two differ
    and the files no longer match the manifest, the artifact is removed rather than left damaged (RuntimeError).
    A checkpoint's other writer may remove what it wrote at any moment; then this one writes again.
    """
    files = list_files(folder)
    if not files:
        raise BadInput(f"artifact {key}", "has no files")
    whole = {"format": FORMAT, **manifest, "files": files, "content": content_hash(files)}
    whole["seal"] = seal_of(whole)
    for _ in range(_TRIES):
        at_once(store, (partial(store.upload, f"{key}/{name}", folder / name) for name in files))
        if store.put_if_absent(f"{key}/{MANIFEST}", _render(whole)):
            return whole
        with suppress(FileNotFoundError):  # theirs was removed meanwhile
            theirs = read_manifest(store, key)
            if theirs["content"] != whole["content"]:
                _keep_only_whole(store, key)
            return theirs
    raise RuntimeError(f"{store.uri}/{key}: its manifest is neither there nor can it be written")


def _keep_only_whole(store: Store, key: str) -> None:
    with tempfile.TemporaryDirectory(prefix="psgpo-compare-") as scratch:
        try:
            fetch(store, key, Path(scratch))
        except BadInput as damage:
            discard(store, key)
            raise RuntimeError(
                f"two jobs wrote {store.uri}/{key} with different content; it is removed"
            ) from damage


def read_manifest(store: Reader, key: str) -> dict[str, Any]:
    """The manifest at `key`; FileNotFoundError when absent, BadInput when damaged or of another format."""
    where, data = f"{store.uri}/{key}/{MANIFEST}", store.read(f"{key}/{MANIFEST}")
    try:
        manifest = json.loads(data)
        if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
            raise ValueError("not a mapping with `files`")
    except (ValueError, RecursionError) as error:
        raise BadInput(where, f"is damaged: {error}") from error
    if manifest.get("format") != FORMAT:
        raise BadInput(
            where,
            f"has format {manifest.get('format')!r:.40}, this revision reads {FORMAT}",
            "the revision that wrote it, or another store: artifacts are made anew from their inputs",
        )
    if manifest.get("seal") != seal_of(manifest) or data != _render(manifest):
        raise BadInput(where, "is damaged: it does not match its seal")
    return manifest


def without_its_store(manifest: bytes) -> bytes:
    """A manifest whose inputs are named by their place in the store alone: it tells nothing of the machine it is from."""
    whole = json.loads(manifest)
    inputs = whole.get("input_artifacts", {})
    whole["input_artifacts"] = {
        name: [split_address(address)[1] for address in addresses] for name, addresses in inputs.items()
    }
    return _render({**whole, "seal": seal_of(whole)})


def read_file(store: Reader, key: str, manifest: Mapping[str, Any], name: str) -> bytes:
    """One file of an artifact, without bringing the others. Raises BadInput when it is not as the manifest says."""
    try:
        data = store.read(f"{key}/{name}")
    except FileNotFoundError:
        data = b""
    if hashlib.sha256(data).hexdigest() != manifest["files"].get(name, {}).get("sha256"):
        raise _unlike_its_manifest(store, key, name)
    return data


def _unlike_its_manifest(store: Reader, key: str, name: str) -> BadInput:
    return BadInput(
        f"{store.uri}/{key}/{name}", "does not match its manifest (missing, truncated or altered)"
    )


def _render(manifest: Mapping[str, Any]) -> bytes:
    return json.dumps(manifest, indent=1, sort_keys=True).encode()


def fetch(store: Store, key: str, cache: Path) -> Artifact:
    """Bring an artifact to local disk and verify every file against the manifest.

    Raises BadInput when the artifact does not exist, or a file is missing, truncated or altered (named).
    """
    try:
        manifest = read_manifest(store, key)
    except FileNotFoundError:
        raise BadInput(f"{store.uri}/{key}", "no such artifact (no manifest)") from None
    folder = store.local_path(key) or cache / key
    at_once(store, (partial(_bring, store, key, folder, *entry) for entry in manifest["files"].items()))
    return Artifact(f"{store.uri}/{key}", key.rsplit("/", 1)[-1], manifest, folder)


def _bring(store: Store, key: str, folder: Path, name: str, entry: Mapping[str, Any]) -> None:
    path = folder / name
    if not isinstance(entry, Mapping) or "\0" in name:
        raise BadInput(f"{store.uri}/{key}/{MANIFEST}", f"says of {name!r:.80} nothing that can be used")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BadInput(f"{store.uri}/{key}", f"file name {name!r} leaves the artifact")
    if store.local_path(key) is None and not _matches(path, entry):
        _download(store, f"{key}/{name}", path)
    if not _matches(path, entry):
        raise _unlike_its_manifest(store, key, name)


def at_once(store: Store, transfers: Iterable[Callable[[], None]]) -> None:
    """Several files at a time over a network, one after the other on a disk; the first error is raised."""
    if store.local_path("") is not None:
        for transfer in transfers:
            transfer()
        return
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for done in [threads.submit(transfer) for transfer in transfers]:
            done.result()


def fetch_uri(uri: str, cache: Path) -> Artifact:
    """`fetch` for a full artifact address, `<store>/<kind>/<dd>/<digest>`."""
    root, key = split_address(uri)
    return fetch(open_store(root), key, cache)


def split_address(uri: str) -> tuple[str, str]:
    """Store address and key of an artifact address; raises BadInput when it is none."""
    parts = uri.rstrip("/").rsplit("/", 3)
    if len(parts) != 4 or not parts[3].startswith(parts[2]) or len(parts[3]) != 64 or "://" not in parts[0]:
        raise BadInput(f"artifact {uri!r}", "is not an artifact address", "STORE/KIND/DD/DIGEST")
    return parts[0], "/".join(parts[1:])


def discard(store: Store, key: str) -> None:
    """Remove everything below a key, the manifest first so that a half-removed artifact does not exist."""
    store.delete(f"{key}/{MANIFEST}")
    for name in list(store.list(key)):
        store.delete(name)
    if folder := store.local_path(key):
        shutil.rmtree(folder, ignore_errors=True)


def _download(store: Store, key: str, path: Path) -> None:
    try:
        store.download(key, path)
    except FileNotFoundError:
        raise BadInput(f"{store.uri}/{key}", "is named by the manifest but missing") from None


def _matches(path: Path, entry: Mapping[str, Any]) -> bool:
    try:
        if not path.is_file() or path.stat().st_size != entry.get("size"):
            return False
        return hash_file(path) == entry.get("sha256")
    except FileNotFoundError:  # it was removed meanwhile
        return False
