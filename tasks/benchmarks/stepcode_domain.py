"""A StepCode domain: what its programs work on, and which operations and inputs it has."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tasks.benchmarks.stepcode_operations import Operation

Value = Any  # what a program works on, or what a reducing step makes of it


@dataclass(frozen=True, eq=False)
class Domain:
    """`variable` is the program's argument and what every block works on; no two domains share its name.

    `stream` begins the names of the domain's random streams and of its problems. `wrong_streams`: those that deal wrong-
    line rates to the operations and to the long ones.
    """

    name: str
    variable: str
    stream: str
    operations: tuple[Operation, ...]
    long_operations: tuple[Operation, ...]
    random_input: Callable[[random.Random], Value]
    edge_cases: Callable[[random.Random], list[Value]]

    @property
    def wrong_streams(self) -> tuple[str, str]:
        return f"{self.stream}/wrong", f"{self.stream}/wrong/long"
