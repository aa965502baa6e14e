"""The expectations, written from the row schemas (`tasks/rows.py`) and the facts of `tasks/validation/tables.py`.

A failing expectation stops the pipeline, except those marked as warnings: they are shown and the run goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tasks.rows import LABELS, PROBLEMS, RESPONSES, RowKind

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

MOST_NO_VERDICT = 0.1
"""Share of responses without verdict above which the sandbox, not the policy, is the story."""
BALANCE = (0.02, 0.98)
"""Share of +1 among judged lines outside which a PRM has little to learn (a warning)."""


def row_suite(kind: RowKind) -> list[Expectation]:
    """Exact columns, nothing missing, ranges, allowed values, unique keys: all from the schema."""
    import great_expectations.expectations as gxe

    suite: list[Any] = [gxe.ExpectTableColumnsToMatchOrderedList(column_list=[c.name for c in kind.columns])]
    for column in kind.columns:
        about: dict[str, Any] = {"column": column.name, "description": column.meaning}
        if not column.nullable:
            suite.append(gxe.ExpectColumnValuesToNotBeNull(**about))
        if column.allowed is not None:
            suite.append(gxe.ExpectColumnValuesToBeInSet(value_set=list(column.allowed), **about))
        if column.minimum is not None or column.maximum is not None:
            suite.append(
                gxe.ExpectColumnValuesToBeBetween(min_value=column.minimum, max_value=column.maximum, **about)
            )
    return [*suite, _unique(kind), *_within_rows(kind)]


def problem_facts_suite() -> list[Expectation]:
    import great_expectations.expectations as gxe

    return [
        gxe.ExpectTableRowCountToBeBetween(min_value=1),
        gxe.ExpectColumnValuesToBeBetween(
            column="tests", min_value=1, description="a problem without tests is never solved"
        ),
        *_must_be_empty(
            ("bad_tests", "tests can be read"),
            ("empty_prompt", "a prompt says something"),
            ("in_other_splits", "no prompt stands in two splits"),
            ("reference_failure", "a reference passes its own tests"),
        ),
    ]


def response_facts_suite() -> list[Expectation]:
    import great_expectations.expectations as gxe

    return [
        gxe.ExpectColumnMeanToBeBetween(
            column="no_verdict", max_value=MOST_NO_VERDICT, description="the sandbox judged nearly all"
        ),
        *_must_be_empty(("disagreement", "passed means that all tests passed")),
    ]


def label_facts_suite() -> list[Expectation]:
    import great_expectations.expectations as gxe
    from great_expectations.expectations.metadata_types import FailureSeverity

    low, high = BALANCE
    return [
        gxe.ExpectTableRowCountToBeBetween(min_value=1),
        gxe.ExpectColumnMeanToBeBetween(
            column="positive",
            min_value=low,
            max_value=high,
            severity=FailureSeverity.WARNING,
            description="both labels occur",
        ),
        *_must_be_empty(
            ("unknown_response", "the labelled response is there"),
            ("gaps", "one label per line and no gaps"),
            ("not_monotone", "once unrecoverable, always unrecoverable"),
            ("against_verdict", "a passing response has no -1, a failing one ends without +1"),
        ),
    ]


def _unique(kind: RowKind) -> Expectation:
    import great_expectations.expectations as gxe

    if len(kind.key) == 1:
        return gxe.ExpectColumnValuesToBeUnique(column=kind.key[0])
    return gxe.ExpectCompoundColumnsToBeUnique(column_list=list(kind.key))


_ORDERED_PAIRS = {
    LABELS.name: (("line", "lines"), ("passes", "attempts")),
    RESPONSES.name: (("tests_passed", "tests_total"),),
    PROBLEMS.name: (),
}
"""Pairs of columns of which the first never exceeds the second."""


def _within_rows(kind: RowKind) -> Iterator[Expectation]:
    import great_expectations.expectations as gxe

    for small, large in _ORDERED_PAIRS[kind.name]:
        yield gxe.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A=large, column_B=small, or_equal=True, ignore_row_if="either_value_is_missing"
        )


def _must_be_empty(*columns: tuple[str, str]) -> Iterable[Expectation]:
    import great_expectations.expectations as gxe

    return [gxe.ExpectColumnValuesToBeNull(column=name, description=meaning) for name, meaning in columns]
