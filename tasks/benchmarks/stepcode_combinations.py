"""Which step combinations exist, in which order a seed walks them, and to which split each belongs.

All combinations of n steps are numbered; a seeded permutation of the numbers gives an endless-looking stream
that never repeats a combination and holds nothing in memory. The split is a hash of the combination itself, so that
no seed and no length of stream can bring a combination into two splits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import combinations as choices
from math import prod

from tasks.benchmarks.stepcode_domain import Domain
from tasks.benchmarks.stepcode_lists import LISTS
from tasks.benchmarks.stepcode_steps import Step, long_steps, steps

VALIDATION_PERCENT = 10
TEST_PERCENT = 10
CONFIRMATION_PERCENT = 10
ROUNDS = 4

LONG_FROM = 7
LONG_STEPS = 2
"""Problems of at least LONG_FROM steps have LONG_STEPS long ones: most references exceed the paper's 100 tokens."""


class Permutation:
    """A seeded permutation of 0..size-1, computed entry by entry: a Feistel cipher with cycle walking."""

    def __init__(self, size: int, seed: str) -> None:
        self.size = size
        self.half = max((size - 1).bit_length() + 1, 2) // 2
        digest = hashlib.blake2b(seed.encode(), digest_size=8 * ROUNDS).digest()
        self.keys = [int.from_bytes(digest[8 * r : 8 * r + 8], "little") | 1 for r in range(ROUNDS)]

    def __getitem__(self, index: int) -> int:
        if not 0 <= index < self.size:
            raise IndexError(index)
        value = self._encrypt(index)
        while value >= self.size:
            value = self._encrypt(value)
        return value

    def _encrypt(self, value: int) -> int:
        half, mask = self.half, (1 << self.half) - 1
        left, right = value >> half, value & mask
        for key in self.keys:
            mixed = ((right ^ (key >> 40)) * key) & 0xFFFFFFFFFFFFFFFF
            left, right = right, left ^ ((mixed ^ (mixed >> 29)) >> 7 & mask)
        return left << half | right


def combinations(
    split: str, length: int, reduces: bool, seed: int, domain: Domain = LISTS, reserve: bool = False
) -> Iterator[tuple[Step, ...]]:
    """Every combination of `length` steps in `split` that ends in a number (`reduces`) or a list, once each.

    Only the last step may reduce the list to a number, and no operation occurs twice. `reserve`: as in `split_of`.
    """
    tables = _tables(domain, length, reduces)
    sizes = [_size(table) for table in tables]
    permutation = Permutation(sum(sizes), f"{domain.stream}/{seed}/{length}/{reduces}")
    for index in range(permutation.size):
        combination = _combination(tables, sizes, permutation[index])
        distinct = len({step.operation for step in combination}) == length
        if distinct and split_of(digest_of([step.phrase for step in combination]), reserve) == split:
            yield combination


def _tables(domain: Domain, length: int, reduces: bool) -> list[list[Sequence[Step]]]:
    """For each arrangement of long and other steps, which steps may stand at which place; one without long steps."""
    inner = [step for step in steps(domain) if not step.reduces]
    final = [step for step in steps(domain) if step.reduces == reduces]
    long = LONG_STEPS if length >= LONG_FROM else 0
    return [
        [*(long_steps(domain) if place in places else inner for place in range(length - 1)), final]
        for places in choices(range(length - 1), long)
    ]


def _size(table: Sequence[Sequence[Step]]) -> int:
    return prod(len(possible) for possible in table)


def _combination(
    tables: Sequence[Sequence[Sequence[Step]]], sizes: Sequence[int], number: int
) -> tuple[Step, ...]:
    """The combination with this number: arrangements one after the other, the last step counting fastest."""
    which = 0
    while number >= sizes[which]:
        number -= sizes[which]
        which += 1
    chosen = []
    for possible in reversed(tables[which]):
        number, digit = divmod(number, len(possible))
        chosen.append(possible[digit])
    return tuple(reversed(chosen))


def digest_of(phrases: Sequence[str]) -> bytes:
    """The identity of a combination: its steps in English, in order."""
    return hashlib.blake2b("\n".join(phrases).encode(), digest_size=8).digest()


def split_of(digest: bytes, reserve: bool = False) -> str:
    """`train`, `validation` or `test`, decided by the combination alone.

    `reserve` takes a part of `train` for `confirmation`, and changes nothing for the others.
    """
    percent = int.from_bytes(digest, "big") % 100
    if percent < TEST_PERCENT:
        return "test"
    if percent < TEST_PERCENT + VALIDATION_PERCENT:
        return "validation"
    reserved = reserve and percent < TEST_PERCENT + VALIDATION_PERCENT + CONFIRMATION_PERCENT
    return "confirmation" if reserved else "train"
