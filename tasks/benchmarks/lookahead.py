"""Verdicts in the order of their programs, while many later programs run already.

One program that uses up its time would otherwise hold up all workers but its own as soon as the few programs taken ahead
are done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from tasks.sandbox.program import Verdict

if TYPE_CHECKING:
    from tasks.sandbox import Pending

AHEAD = 1024
"""Programs under way: what two workers do in the seconds that one program may take."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Judged:
    """A verdict that is known already, in the place of a program under way."""

    verdict: Verdict

    def done(self) -> bool:
        return True

    def result(self) -> Verdict:
        return self.verdict


def in_order(
    submitted: Iterable[tuple[Item, Pending | Judged]], ahead: int = AHEAD
) -> Iterator[tuple[Item, Verdict]]:
    """Each item with its verdict, as soon as it and all before it are judged; `submitted` is taken as far as `ahead`."""
    waiting: deque[tuple[Item, Pending | Judged]] = deque()
    for one in submitted:
        waiting.append(one)
        while waiting and (len(waiting) >= ahead or waiting[0][1].done()):
            item, pending = waiting.popleft()
            yield item, pending.result()
    for item, pending in waiting:
        yield item, pending.result()
