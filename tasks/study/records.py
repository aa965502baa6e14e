"""What a study's report reads of a store, kept beside the report: a store is large, and belongs to one machine.

`records.jsonl.xz`, one row per file: `{"key": its place in the store, "text": its content}`. Manifests are among them, so
every file is checked as if it came from the store. With them a report can be built where there is no store, cells add up
that different machines have run, and what is run again can be compared with what was published.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping
from pathlib import Path

from tasks.errors import BadInput
from tasks.store.artifacts import MANIFEST
from tasks.store.stores import Reader

NAME = "records.jsonl.xz"


class Shelf:
    """The records, and behind them the store. `again`: artifacts of the records that the store has, too.

    Raises BadInput for one that the store has with another content: a machine that computes otherwise has results of
    its own, and they are no part of these.
    """

    def __init__(self, store: Reader, folder: Path) -> None:
        self.uri, self._store, self._path = store.uri, store, folder / NAME
        self._records = _read(self._path)
        self._seen: dict[str, bytes] = {}
        self.again: set[str] = set()

    def exists(self, key: str) -> bool:
        return key in self._records or self._store.exists(key)

    def read(self, key: str) -> bytes:
        data = self._records.get(key)
        if data is None:
            data = self._store.read(key)
        elif key.endswith(MANIFEST) and self._store.exists(key):
            self._compare(key, data)
        self._seen[key] = data
        return data

    def _compare(self, key: str, recorded: bytes) -> None:
        theirs, ours = (json.loads(data)["content"] for data in (recorded, self._store.read(key)))
        artifact = key.removesuffix(f"/{MANIFEST}")
        if theirs != ours:
            raise BadInput(
                f"{self.uri}/{artifact}",
                f"has another content than in {self._path}: this machine computes otherwise",
                "another --output, for a report of this store alone",
            )
        self.again.add(artifact)

    def write(self) -> None:
        """Everything that was read is what the next report needs; the same files give the same bytes."""
        rows = (
            json.dumps({"key": key, "text": self._seen[key].decode()}, sort_keys=True)
            for key in sorted(self._seen)
        )
        self._path.write_bytes(lzma.compress("".join(f"{row}\n" for row in rows).encode(), preset=9))


def _read(path: Path) -> Mapping[str, bytes]:
    """Raises BadInput for a damaged file, naming the row."""
    if not path.exists():
        return {}
    try:
        rows = lzma.decompress(path.read_bytes()).decode().splitlines()
    except (lzma.LZMAError, UnicodeDecodeError) as error:
        raise _damaged(str(path), error) from error
    records = {}
    for number, row in enumerate(rows, 1):
        try:
            record = json.loads(row)
            records[str(record["key"])] = str(record["text"]).encode()
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(f"{path}: row {number}", error) from error
    return records


def _damaged(where: str, error: Exception) -> BadInput:
    return BadInput(where, f"is damaged: {error!s:.200}", "the file as it was committed")
