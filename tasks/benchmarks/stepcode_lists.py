"""StepCode's first domain: lists of integers."""

from __future__ import annotations

import random

from tasks.benchmarks.stepcode_domain import Domain
from tasks.benchmarks.stepcode_long_operations import LONG_OPERATIONS
from tasks.benchmarks.stepcode_operations import OPERATIONS

NUMBERS = range(-12, 21)
NEGATIVE = range(-12, 0)
LENGTHS = range(7, 13)


def random_list(rng: random.Random) -> list[int]:
    return rng.choices(NUMBERS, k=rng.choice(LENGTHS))


def edge_cases(rng: random.Random) -> list[list[int]]:
    """Empty, one number, all negative, full of duplicates."""
    few = rng.choices(NUMBERS, k=3)
    return [[], rng.choices(NUMBERS), rng.choices(NEGATIVE, k=6), rng.choices(few, k=9)]


LISTS = Domain("lists", "xs", "stepcode", OPERATIONS, LONG_OPERATIONS, random_list, edge_cases)
