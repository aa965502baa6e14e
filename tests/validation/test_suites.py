"""Good rows meet every expectation; a planted violation of each one is caught, with its column and an example."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tasks.rows import LABELS, PROBLEMS, RESPONSES
from tasks.validation.running import Outcome, Table, run_suites
from tasks.validation.suites import label_facts_suite, problem_facts_suite, response_facts_suite, row_suite
from tasks.validation.tables import label_facts, problem_facts, response_facts
from tests.validation import rows

Frames = dict[str, pd.DataFrame]


def good() -> Frames:
    return {"problems": rows.problems(), "responses": rows.responses(), "labels": rows.labels()}


def tables(frames: Frames) -> list[Table]:
    problems = problem_facts(frames["problems"]).assign(
        reference_failure=frames.get("failures"),
        poisoned=frames.get("poisoned"),
        in_training=frames.get("held"),
    )
    return [
        Table("problems", frames["problems"], row_suite(PROBLEMS)),
        Table("problem_facts", problems, problem_facts_suite(["MIT"], 1, len(problems))),
        Table("responses", frames["responses"], row_suite(RESPONSES)),
        Table("response_facts", response_facts(frames["responses"]), response_facts_suite()),
        Table("labels", frames["labels"], row_suite(LABELS)),
        Table("label_facts", label_facts(frames["labels"], frames["responses"]), label_facts_suite()),
    ]


def failing(frames: Frames, pages: Path, *only: str) -> list[Outcome]:
    """Expectations that fail, of the tables named (none named: of all)."""
    wanted = [table for table in tables(frames) if not only or table.name in only]
    return [outcome for outcome in run_suites(wanted, pages) if not outcome.success]


def put(table: str, row: int, **values: object) -> Callable[[Frames], None]:
    """Overwrite values of one row."""

    def plant(frames: Frames) -> None:
        for column, value in values.items():
            frames[table][column] = frames[table][column].astype(object)
            frames[table].loc[row, column] = value

    return plant


def drop(table: str, row: int) -> Callable[[Frames], None]:
    def plant(frames: Frames) -> None:
        frames[table] = frames[table].drop(index=row).reset_index(drop=True)

    return plant


def repeat(table: str, row: int) -> Callable[[Frames], None]:
    def plant(frames: Frames) -> None:
        frames[table] = pd.concat([frames[table], frames[table].loc[[row]]], ignore_index=True)

    return plant


def swap_columns(frames: Frames) -> None:
    columns = list(frames["problems"].columns)
    frames["problems"] = frames["problems"][[columns[1], columns[0], *columns[2:]]]


def all_positive(frames: Frames) -> None:
    frames["labels"] = frames["labels"][frames["labels"]["response_id"] == "a"]


def no_labels(frames: Frames) -> None:
    frames["labels"] = frames["labels"].iloc[:0]


def no_problems(frames: Frames) -> None:
    frames["problems"] = frames["problems"].iloc[:0]


def reason(name: str, text: str) -> Callable[[Frames], None]:
    """Something is found wrong with the second problem when it is looked at more closely."""

    def plant(frames: Frames) -> None:
        frames[name] = pd.Series([None, text, None])  # type: ignore[assignment]

    return plant


def all_time_out(frames: Frames) -> None:
    frames["responses"]["status"] = frames["responses"]["status"].replace("failed", "timeout")


NULL = "expect_column_values_to_be_null"
IN_SET = "expect_column_values_to_be_in_set"
BETWEEN = "expect_column_values_to_be_between"
PAIR = "expect_column_pair_values_a_to_be_greater_than_b"
MEAN = "expect_column_mean_to_be_between"
ROWS = "expect_table_row_count_to_be_between"
ALL_COLUMNS = ", ".join(column.name for column in PROBLEMS.columns)

PLANTED = {
    "columns out of order": (
        swap_columns,
        "problems",
        ALL_COLUMNS,
        "expect_table_columns_to_match_ordered_list",
    ),
    "missing value": (
        put("problems", 1, prompt=None),
        "problems",
        "prompt",
        "expect_column_values_to_not_be_null",
    ),
    "unknown split": (put("problems", 1, split="dev"), "problems", "split", IN_SET),
    "below the minimum": (put("problems", 1, difficulty=-1), "problems", "difficulty", BETWEEN),
    "repeated problem": (
        repeat("problems", 0),
        "problems",
        "problem_id",
        "expect_column_values_to_be_unique",
    ),
    "no problems": (no_problems, "problem_facts", "", ROWS),
    "no tests": (
        put("problems", 1, tests='{"form": "call", "entry_point": "solve", "cases": []}'),
        "problem_facts",
        "tests",
        BETWEEN,
    ),
    "unreadable tests": (put("problems", 1, tests="{"), "problem_facts", "bad_tests", NULL),
    "empty prompt": (put("problems", 1, prompt=" \n"), "problem_facts", "empty_prompt", NULL),
    "prompt in two splits": (
        put("problems", 2, prompt=rows.problems()["prompt"][0]),
        "problem_facts",
        "in_other_splits",
        NULL,
    ),
    "failing reference": (
        reason("failures", "failed, 1/2 tests passed"),
        "problem_facts",
        "reference_failure",
        NULL,
    ),
    "poisoned reference": (reason("poisoned", "p1: timeout"), "problem_facts", "poisoned", NULL),
    "problem known from training": (reason("held", "p1: is in p0"), "problem_facts", "in_training", NULL),
    "licence that is not allowed": (
        put("problems", 1, licence="GPL-3.0-only"),
        "problem_facts",
        "licence",
        IN_SET,
    ),
    "no licence": (put("problems", 1, licence="unknown"), "problem_facts", "no_licence", NULL),
    "unknown status": (put("responses", 1, status="fine"), "responses", "status", IN_SET),
    "more passed than tests": (
        put("responses", 1, tests_passed=3),
        "responses",
        "tests_total, tests_passed",
        PAIR,
    ),
    "many timeouts": (all_time_out, "response_facts", "timeout", MEAN),
    "no verdicts": (put("responses", 1, status="no_verdict"), "response_facts", "no_verdict", MEAN),
    "passed with a failing test": (
        put("responses", 0, tests_passed=1),
        "response_facts",
        "disagreement",
        NULL,
    ),
    "unknown label": (put("labels", 4, label=2), "labels", "label", IN_SET),
    "line beyond the last": (put("labels", 2, line=4), "labels", "lines, line", PAIR),
    "more passes than attempts": (put("labels", 0, passes=5), "labels", "attempts, passes", PAIR),
    "two labels for a line": (
        repeat("labels", 0),
        "labels",
        "response_id, line",
        "expect_compound_columns_to_be_unique",
    ),
    "a gap": (drop("labels", 4), "label_facts", "gaps", NULL),
    "a missing first line": (drop("labels", 3), "label_facts", "gaps", NULL),
    "two lengths of one response": (put("labels", 4, lines=4), "label_facts", "gaps", NULL),
    "recovering after an unrecoverable line": (
        put("labels", 7, label=1),
        "label_facts",
        "not_monotone",
        NULL,
    ),
    "passing with an unrecoverable line": (
        put("labels", 2, label=-1),
        "label_facts",
        "against_verdict",
        NULL,
    ),
    "failing but recoverable to the end": (put("labels", 5, label=1), "label_facts", "against_verdict", NULL),
    "labels without response": (drop("responses", 2), "label_facts", "unknown_response", NULL),
    "repeated response": (
        repeat("responses", 0),
        "responses",
        "response_id",
        "expect_column_values_to_be_unique",
    ),
    "one label only": (all_positive, "label_facts", "positive", MEAN),
    "no labels": (no_labels, "label_facts", "", ROWS),
}


def test_good_rows_meet_every_expectation_and_pages_tell_of_it(tmp_path: Path) -> None:
    outcomes = run_suites(tables(good()), tmp_path)
    assert len(outcomes) > 50
    assert [outcome for outcome in outcomes if not outcome.success] == []
    warnings = {outcome.column for outcome in outcomes if outcome.warning}
    assert warnings == {"poisoned", "no_licence", "timeout", "positive"}
    assert (tmp_path / "index.html").is_file()
    assert len(list((tmp_path / "validations").rglob("*.html"))) == len(tables(good()))


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_violation_is_caught(name: str, tmp_path: Path) -> None:
    plant, table, column, expectation = PLANTED[name]
    frames = good()
    plant(frames)
    failed = failing(frames, tmp_path, table)
    hits = [outcome for outcome in failed if (outcome.column, outcome.expectation) == (column, expectation)]
    assert len(hits) == 1, failed
    assert hits[0].examples or hits[0].observed


def test_a_message_names_table_column_meaning_and_example(tmp_path: Path) -> None:
    frames = good()
    put("labels", 7, label=1)(frames)
    (outcome,) = failing(frames, tmp_path, "label_facts")
    assert outcome.message() == (
        "label_facts.not_monotone expect_column_values_to_be_null (once unrecoverable, always unrecoverable): "
        "1 rows, for example c"
    )


def test_a_test_problem_may_have_any_licence(tmp_path: Path) -> None:
    frames = good()
    put("problems", 2, licence="GPL-3.0-only")(frames)
    assert failing(frames, tmp_path, "problems", "problem_facts") == []


def test_mutated_references_may_have_single_lines_and_any_order(tmp_path: Path) -> None:
    """Labels by mutation judge one edited line each: the rules of the search are not theirs."""
    frames = good()
    frames["labels"].loc[3:5, "source"] = "mutation"
    put("labels", 4, label=-1)(frames)
    put("labels", 5, label=1)(frames)
    assert failing(frames, tmp_path, "labels", "label_facts") == []
