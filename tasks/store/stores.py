"""The store interface: keys to bytes, with one atomic operation. Two backends, one test suite.

file:///path      `tasks/store/local.py`, the embedded default
s3://bucket/pre   `tasks/store/s3.py`, any S3-compatible server
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from tasks.errors import BadInput
from tasks.store.entry import Entry


class Reader(Protocol):
    """Keys are relative paths with forward slashes. Reading a missing key raises FileNotFoundError."""

    uri: str

    def read(self, key: str) -> bytes: ...

    def exists(self, key: str) -> bool: ...


class Store(Reader, Protocol):
    """One that can be written."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Write atomically; False when the key exists already (its bytes are left as they are)."""

    def upload(self, key: str, path: Path) -> None:
        """Write a file's bytes, replacing what is there."""

    def download(self, key: str, path: Path) -> None:
        """Copy to a local path, parents made; the path appears whole or not at all."""

    def list(self, prefix: str) -> Iterator[str]:
        """Keys below a prefix (a folder, no trailing slash), sorted."""

    def entries(self) -> Iterator[Entry]:
        """Everything in the store, in no order."""

    def delete(self, key: str) -> None:
        """Remove a key; a missing key is not an error."""

    def delete_all(self, keys: Sequence[str]) -> None:
        """Remove many keys, over a network in few requests."""

    def local_path(self, key: str) -> Path | None:
        """Where the key lies on this machine's disk, or None for a remote store."""


def open_store(uri: str) -> Store:
    """Open a store and prove that it can be written; raises BadInput with the reason when it cannot."""
    scheme, _, rest = uri.partition("://")
    if scheme == "file" and rest.startswith("/"):
        from tasks.store.local import LocalStore

        return LocalStore(Path(rest))
    if scheme == "s3" and rest:
        from tasks.store.s3 import open_s3

        return open_s3(uri)
    raise BadInput(f"store {uri!r}", "is not a store address", "file:///absolute/path or s3://bucket/prefix")
