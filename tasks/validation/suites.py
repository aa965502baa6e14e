"""The expectations, written from the row schemas (`tasks/rows.py`) and the facts of `tasks/validation/tables.py`.

A failing expectation stops the pipeline, except those marked as warnings: they are shown and the run goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tasks.rows import DEMONSTRATIONS, LABELS, PROBLEMS, RESPONSES, SAMPLES, RowKind

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

MOST_NO_VERDICT = 0.1
"""Share of programs without verdict above which the sandbox, not the policy, is the story."""
MOST_TIMEOUTS = 0.3
"""Share of programs that ran out of time above which somebody should look (a warning)."""
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


def problem_facts_suite(licences: Sequence[str], most_poisoned: int, problems: int) -> list[Expectation]:
    """`licences` are those that may be trained on; a problem that tells none is a warning. So are poisoned ones, as long as
    they are not more than `most_poisoned` of all `problems`."""
    import great_expectations.expectations as gxe

    poison = "a reference ends in time and memory, with the same verdict every time"
    return [
        gxe.ExpectTableRowCountToBeBetween(min_value=1),
        gxe.ExpectColumnValuesToBeBetween(
            column="tests", min_value=1, description="a problem without tests is never solved"
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="licence", value_set=list(licences), description="the licence allows training"
        ),
        *_must_be_empty(
            ("bad_tests", "tests can be read"),
            ("empty_prompt", "a prompt says something"),
            ("in_other_splits", "no prompt stands in two splits"),
            ("in_training", "no training problem holds a problem of a benchmark or of the test split"),
            ("reference_failure", "a reference passes its own tests"),
        ),
        gxe.ExpectColumnValuesToBeNull(
            column="poisoned",
            mostly=max(0.0, 1 - (most_poisoned + 0.5) / max(problems, 1)),
            description=f"{poison}, in all but {most_poisoned} problems",
        ),
        *_should_be_empty(("poisoned", poison), ("no_licence", "a training problem tells its licence")),
    ]


def quarantine_suite() -> list[Expectation]:
    """One row per problem that was put aside: never a reason to stop, always one to be told."""
    return _should_be_empty(("reason", "no problem was put aside"))


def demonstration_facts_suite() -> list[Expectation]:
    return _must_be_empty(
        ("unknown_problem", "the demonstrated problem is there"),
        ("not_training", "only training problems are demonstrated"),
    )


def response_facts_suite() -> list[Expectation]:
    return [
        *_verdict_shares(),
        *_must_be_empty(("disagreement", "passed means that all tests passed")),
    ]


def score_facts_suite() -> list[Expectation]:
    """For `tables.score_facts`: one row per benchmark problem."""
    import great_expectations.expectations as gxe

    return [
        gxe.ExpectTableRowCountToBeBetween(min_value=1),
        *_must_be_empty(
            ("uneven", "every problem has the same number of samples"),
            ("summary_differs", "the summary counts what the samples say"),
            ("contaminated", "the problem was not trained on"),
        ),
    ]


def prm_facts_suite() -> list[Expectation]:
    """For `tables.prm_facts`: one row per response that the PRM is fitted or measured on."""
    import great_expectations.expectations as gxe
    from great_expectations.expectations.metadata_types import FailureSeverity

    low, high = BALANCE
    return [
        gxe.ExpectColumnDistinctValuesToEqualSet(
            column="side", value_set=["fit", "held out"], description="both sides of the split have responses"
        ),
        gxe.ExpectColumnMeanToBeBetween(
            column="positive",
            min_value=low,
            max_value=high,
            severity=FailureSeverity.WARNING,
            description="both labels are left by the selection",
        ),
        *_must_be_empty(("lines_differ", "as many labels as lines in the text")),
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


def _verdict_shares() -> list[Expectation]:
    import great_expectations.expectations as gxe
    from great_expectations.expectations.metadata_types import FailureSeverity

    return [
        gxe.ExpectColumnMeanToBeBetween(
            column="no_verdict", max_value=MOST_NO_VERDICT, description="the sandbox judged nearly all"
        ),
        gxe.ExpectColumnMeanToBeBetween(
            column="timeout",
            max_value=MOST_TIMEOUTS,
            severity=FailureSeverity.WARNING,
            description="most programs end in time",
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
    SAMPLES.name: (("tests_passed", "tests_total"),),
    PROBLEMS.name: (),
    DEMONSTRATIONS.name: (),
}
"""Pairs of columns of which the first never exceeds the second."""


def _within_rows(kind: RowKind) -> Iterator[Expectation]:
    import great_expectations.expectations as gxe

    for small, large in _ORDERED_PAIRS[kind.name]:
        yield gxe.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A=large, column_B=small, or_equal=True, ignore_row_if="either_value_is_missing"
        )


def _must_be_empty(*columns: tuple[str, str]) -> list[Expectation]:
    import great_expectations.expectations as gxe

    return [gxe.ExpectColumnValuesToBeNull(column=name, description=meaning) for name, meaning in columns]


def _should_be_empty(*columns: tuple[str, str]) -> list[Expectation]:
    import great_expectations.expectations as gxe
    from great_expectations.expectations.metadata_types import FailureSeverity

    return [
        gxe.ExpectColumnValuesToBeNull(column=name, severity=FailureSeverity.WARNING, description=meaning)
        for name, meaning in columns
    ]
