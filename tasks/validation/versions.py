"""Labels beside those of the version before: another balance or other lengths are no fault, but worth a look (warnings).

Both are measured per response, so that one long response does not stand for many short ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.expectations import Expectation

BALANCE_MOVES = 0.1
"""How far the mean share of +1 may move."""
LENGTHS_MOVE = 0.2
"""How far the shares of responses up to any length may move (Kolmogorov's distance of both distributions)."""


def compared(facts: pd.DataFrame, previous: pd.DataFrame) -> pd.DataFrame:
    """`label_facts` with the column `length_distance`, the same in every row: 0 equal lengths to 1 nothing in common."""
    import numpy as np

    old, new = np.sort(previous["lines"].to_numpy()), np.sort(facts["lines"].to_numpy())
    lengths = np.union1d(old, new)
    up_to = [np.searchsorted(lines, lengths, side="right") / len(lines) for lines in (old, new)]
    return facts.assign(length_distance=float(np.abs(up_to[0] - up_to[1]).max()))


def previous_suite(previous: pd.DataFrame) -> list[Expectation]:
    """What `compared` facts are held to, given the facts of the `previous` labels (at least one response)."""
    import great_expectations.expectations as gxe
    from great_expectations.expectations.metadata_types import FailureSeverity

    balance = float(previous["positive"].mean())
    return [
        gxe.ExpectColumnMeanToBeBetween(
            column="positive",
            min_value=balance - BALANCE_MOVES,
            max_value=balance + BALANCE_MOVES,
            severity=FailureSeverity.WARNING,
            description=f"the share of +1 is near the previous version's {balance:.2f}",
        ),
        gxe.ExpectColumnMeanToBeBetween(
            column="length_distance",
            max_value=LENGTHS_MOVE,
            severity=FailureSeverity.WARNING,
            description="lines per response are spread as in the previous version",
        ),
    ]
