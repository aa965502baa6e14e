"""Checkpoints of an unfinished stage, kept in the store below `_checkpoints/<digest>/<name>`.

Atomic like artifacts: a checkpoint without its manifest does not exist. They belong to one digest, so a rerun of the
same work finds them and different work cannot.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from tasks.errors import BadInput
from tasks.store.artifacts import MANIFEST, Artifact, discard, fetch, publish, read_manifest
from tasks.store.stores import Store


class Checkpoints:
    """Numbered checkpoints of one stage digest. `cache` is local scratch for remote stores.

    `read_only`: another process of the same run publishes them, this one only takes part in the writing.
    `tell`: numbers that a checkpoint's manifest keeps beside its files, asked for when it is saved.
    """

    def __init__(self, store: Store, digest: str, cache: Path, *, read_only: bool = False) -> None:
        self.store, self.root, self.cache = store, f"_checkpoints/{digest}", cache
        self.digest, self.read_only = digest, read_only
        self.tell: Callable[[], Mapping[str, float]] = dict

    def save(self, number: int, write: Callable[[Path], None], keep: int | None = 2) -> None:
        """Let `write(folder)` fill a folder and publish it as checkpoint `number`; keep the last `keep` (None: all)."""
        with tempfile.TemporaryDirectory(prefix="psgpo-checkpoint-") as scratch:
            write(Path(scratch))
            if self.read_only:
                return
            if number in self.numbers():
                discard(self.store, self._key(number))
            about = {"kind": "checkpoint", "number": number, "told": dict(self.tell())}
            publish(self.store, self._key(number), Path(scratch), about)
        for old in self.numbers()[: -keep or None] if keep else []:
            discard(self.store, self._key(old))

    def numbers(self) -> list[int]:
        """Numbers of complete checkpoints, ascending."""
        names = (key.removeprefix(self.root + "/") for key in self.store.list(self.root))
        return sorted(int(name.split("/")[0]) for name in names if name.endswith("/" + MANIFEST))

    def load(self, number: int) -> Path:
        """Local folder with the verified files of one checkpoint."""
        return self._fetch(number).path

    def latest(self) -> tuple[int, Path] | None:
        """Newest whole checkpoint, or None. One that is damaged is passed over: an older one serves as well."""
        for number in reversed(self.numbers()):
            try:
                return number, self.load(number)
            except BadInput as damage:
                print(f"checkpoint {number} is passed over: {damage}", file=sys.stderr)
        return None

    def told(self) -> dict[str, float]:
        """What `tell` said when the newest whole checkpoint was saved; empty without one."""
        for number in reversed(self.numbers()):
            with suppress(BadInput, FileNotFoundError):
                return dict(read_manifest(self.store, self._key(number)).get("told", {}))
        return {}

    def clear(self) -> None:
        """Remove all of them, half-written ones too: the stage is finished."""
        for number in self.numbers():
            discard(self.store, self._key(number))
        discard(self.store, self.root)

    def _key(self, number: int) -> str:
        return f"{self.root}/{number:08d}"

    def _fetch(self, number: int) -> Artifact:
        return fetch(self.store, self._key(number), self.cache)
