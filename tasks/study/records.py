"""What a study's report reads of a store, kept beside the report: a store is large, and belongs to one machine.

`records-N.jsonl.xz`, one row per file: `{"key": its place in the store, "text": its content}`. Manifests are among them,
without the address of their store, so every file is checked as if it came from there. With them a report can be built
where there is no store, cells add up that several machines have run, and what is run again is compared with what was
published.

Each N is a replicate: whatever machines of one kind have made, from the SFT policy on. Another kind of processor may
round otherwise; then its samples differ, and so it makes another replicate.
"""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tasks.errors import BadInput
from tasks.store.artifacts import MANIFEST, without_its_store
from tasks.store.stores import Reader

_NAME = re.compile(r"records-(\d+)\.jsonl\.xz")


class Shelf:
    """The records of one replicate, and behind them the store, if it is of the same replicate.

    `again`: artifacts of the records that the store has, too, with the same content.
    """

    def __init__(self, path: Path, store: Reader | None = None) -> None:
        self.uri, self._path, self._store = path.as_uri(), path, store
        self._records = _read(path)
        self._seen: dict[str, bytes] = {}
        self.again: frozenset[str] = frozenset()

    def join(self, store: Reader) -> bool:
        """Put the store behind; False where it has an artifact of the records with another content."""
        again = {key for key in self._records if key.endswith(MANIFEST) and store.exists(key)}
        if any(_content(self._records[key]) != _content(store.read(key)) for key in again):
            return False
        self._store, self.again = store, frozenset(again)
        return True

    def exists(self, key: str) -> bool:
        return key in self._records or (self._store is not None and self._store.exists(key))

    def read(self, key: str) -> bytes:
        data = self._records.get(key)
        if data is None:
            if self._store is None:
                raise FileNotFoundError(f"{self.uri}: {key}")
            data = self._store.read(key)
            if key.endswith(MANIFEST):
                data = without_its_store(data)
        self._seen[key] = data
        return data

    def write(self) -> None:
        """Everything that was read is what the next report needs; the same files give the same bytes."""
        rows = (
            json.dumps({"key": key, "text": self._seen[key].decode()}, sort_keys=True)
            for key in sorted(self._seen)
        )
        self._path.write_bytes(lzma.compress("".join(f"{row}\n" for row in rows).encode(), preset=9))


def open_shelves(store: Reader, folder: Path) -> dict[int, Shelf]:
    """The replicates recorded in a folder, by number; the store behind the first it does not contradict, or a new one.

    Raises BadInput for damaged records, naming the row.
    """
    shelves = {number: Shelf(path) for number, path in sorted(_files(folder))}
    if not any(shelf.join(store) for shelf in shelves.values()):
        number = max(shelves, default=0) + 1
        shelves[number] = Shelf(folder.absolute() / f"records-{number}.jsonl.xz", store)
    return shelves


def _files(folder: Path) -> Iterator[tuple[int, Path]]:
    for path in folder.absolute().glob("records-*"):
        if named := _NAME.fullmatch(path.name):
            yield int(named[1]), path


def _content(manifest: bytes) -> str:
    return str(json.loads(manifest)["content"])


def _read(path: Path) -> Mapping[str, bytes]:
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
