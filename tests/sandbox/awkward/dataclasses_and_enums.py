"""Classes that look their module up."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import NamedTuple


class Kind(enum.IntEnum):
    ONE = 1
    TWO = 2


class Pair(NamedTuple):
    left: int
    right: int


@dataclass(order=True)
class Node:
    value: int
    next: Node | None = None
    tags: list[str] = field(default_factory=list)


def double(n: int) -> int:
    pair = Pair(n, n)
    return Kind.TWO * Node(pair.left).value
