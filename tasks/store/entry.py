"""What a store says of a key without reading it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A key with its size in bytes and when it was last written (epoch seconds, by the store's clock)."""

    key: str
    size: int
    modified: float
