"""Which artifacts and checkpoints of a store nobody needs any more.

An artifact is needed when it is registered as a model or as a model's evidence, when a run that is active uses it,
when it is young, or when one of these was made from it. Everything else that is old may go, and so may what a job that
died left without a manifest. Checkpoints are of no use once their stage is finished; those of an unfinished one may go
when they are old.

A kept artifact whose manifest cannot be read stops it all: what it was made from is not known then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tasks.errors import BadInput
from tasks.store import Store
from tasks.store.artifacts import MANIFEST, read_manifest, split_address

CHECKPOINTS = "_checkpoints"
_DIGEST = 64
_READS_AT_ONCE = 16


@dataclass
class Folder:
    """One artifact, or all checkpoints of one stage: total bytes, when last written, whether its manifest is there."""

    bytes: int = 0
    modified: float = 0.0
    whole: bool = False


@dataclass(frozen=True)
class Leftovers:
    """What may go, by key, each with its bytes. `checked` counts artifacts, checkpoints not among them."""

    checked: int
    artifacts: Mapping[str, int] = field(default_factory=dict)
    unfinished: Mapping[str, int] = field(default_factory=dict)
    checkpoints: Mapping[str, int] = field(default_factory=dict)

    def items(self) -> Iterator[tuple[str, int]]:
        for part in (self.checkpoints, self.unfinished, self.artifacts):
            yield from part.items()

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self.items())


def find_leftovers(store: Store, needed: Iterable[str], before: float) -> Leftovers:
    """`needed`: texts in which addresses of registered and active artifacts stand as they are; what is no address of this
    store does not matter. `before`: what was last written then or later is young (epoch seconds).

    Raises BadInput for a damaged manifest of an artifact that is kept.
    """
    artifacts, checkpoints = _survey(store)
    old = {key for key, found in artifacts.items() if found.modified < before}
    done = {key.rsplit("/", 1)[-1] for key, found in artifacts.items() if found.whole}
    kept = _reachable(store, artifacts, needed, old) if any(artifacts[key].whole for key in old) else set()
    gone = sorted(old - kept)
    return Leftovers(
        checked=len(artifacts),
        artifacts={key: artifacts[key].bytes for key in gone if artifacts[key].whole},
        unfinished={key: artifacts[key].bytes for key in gone if not artifacts[key].whole},
        checkpoints={
            f"{CHECKPOINTS}/{digest}": found.bytes
            for digest, found in sorted(checkpoints.items())
            if digest in done or found.modified < before
        },
    )


def _survey(store: Store) -> tuple[dict[str, Folder], dict[str, Folder]]:
    """Artifacts by key and checkpoints by digest. Whatever has another shape is not ours to judge."""
    artifacts: dict[str, Folder] = {}
    checkpoints: dict[str, Folder] = {}
    for entry in store.entries():
        parts = entry.key.split("/", 3)
        if parts[0] == CHECKPOINTS and len(parts) > 2 and len(parts[1]) == _DIGEST:
            found = checkpoints.setdefault(parts[1], Folder())
        elif len(parts) == 4 and len(parts[2]) == _DIGEST and parts[2].startswith(parts[1]):
            found = artifacts.setdefault(entry.key[: -len(parts[3]) - 1], Folder())
            found.whole = found.whole or parts[3] == MANIFEST
        else:
            continue
        found.bytes += entry.size
        found.modified = max(found.modified, entry.modified)
    return artifacts, checkpoints


def _reachable(
    store: Store, artifacts: Mapping[str, Folder], needed: Iterable[str], old: set[str]
) -> set[str]:
    """Keys of all artifacts that are needed: the young, the named, and what they were made from."""
    kept: set[str] = set()
    fresh = {key for key in artifacts if key not in old} | {
        key for key in _keys(store, artifacts, needed) if key in artifacts
    }
    with ThreadPoolExecutor(_READS_AT_ONCE) as threads:
        # a disk answers at once
        every = threads.map if store.local_path("") is None else map
        while fresh:
            kept |= fresh
            inputs = every(partial(_inputs, store), [key for key in fresh if artifacts[key].whole])
            fresh = {key for addresses in inputs for key in _keys(store, {}, addresses)}
            fresh = {key for key in fresh if key in artifacts and key not in kept}
    return kept


def _inputs(store: Store, key: str) -> list[str]:
    manifest: Mapping[str, Any] = read_manifest(store, key)
    return [address for addresses in manifest["input_artifacts"].values() for address in addresses]


def _keys(store: Store, artifacts: Mapping[str, Folder], texts: Iterable[str]) -> Iterator[str]:
    """Keys of this store's addresses among the texts. A model's validations are told by how their digests begin."""
    for text in texts:
        if text.startswith(f"{store.uri}/"):
            try:
                yield split_address(text)[1]
            except BadInput:
                continue
        elif text:
            beginnings = tuple(part.strip() for part in text.split(",") if len(part.strip()) == 12)
            if beginnings:
                yield from (key for key in artifacts if key.rsplit("/", 1)[-1].startswith(beginnings))
