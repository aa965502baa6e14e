"""Demonstrations, PRM data, scores and versions: good ones pass, and a planted violation of each expectation is caught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks.problems import problems_from_rows
from tasks.rows import DEMONSTRATIONS, SAMPLES
from tasks.validation.facts import demonstration_facts, held_by_training, prm_facts, score_facts
from tasks.validation.running import Table, run_suites
from tasks.validation.suites import (
    demonstration_facts_suite,
    prm_facts_suite,
    response_facts_suite,
    row_suite,
    score_facts_suite,
)
from tasks.validation.tables import label_facts, response_facts
from tasks.validation.versions import compared, previous_suite
from tests.validation import rows

NULL = "expect_column_values_to_be_null"
MEAN = "expect_column_mean_to_be_between"


class World:
    """Good data of every kind; a test breaks one thing of it."""

    def __init__(self) -> None:
        self.problems, self.demonstrations = rows.problems(), rows.demonstrations()
        self.labelled, self.held_out = rows.labelled(), {"p1"}
        self.samples, self.summary = rows.samples(), rows.summary()
        self.labels = rows.labels()

    def tables(self) -> list[Table]:
        shown = demonstration_facts(self.demonstrations, self.problems)
        named = self.samples.assign(
            response_id=self.samples["problem_id"] + self.samples["index"].astype(str)
        )
        before, facts = (label_facts(one, rows.responses()) for one in (rows.labels(), self.labels))
        return [
            Table("demonstrations", self.demonstrations, row_suite(DEMONSTRATIONS)),
            Table("demonstration_facts", shown, demonstration_facts_suite()),
            Table("prm_facts", prm_facts(self.labelled, self.held_out), prm_facts_suite()),
            Table("samples", self.samples, row_suite(SAMPLES)),
            Table("sample_facts", response_facts(named), response_facts_suite()),
            Table("score_facts", score_facts(self.samples, self.summary), score_facts_suite()),
            Table("label_facts", compared(facts, before), previous_suite(before)),
        ]


def unknown_problem(world: World) -> None:
    world.demonstrations.loc[1, "problem_id"] = "nobody"


def demonstrated_test_problem(world: World) -> None:
    world.demonstrations.loc[1, "problem_id"] = "p2"


def repeated_demonstration(world: World) -> None:
    world.demonstrations = pd.concat([world.demonstrations] * 2, ignore_index=True)


def nothing_held_out(world: World) -> None:
    world.held_out = set()


def one_label_left(world: World) -> None:
    world.labelled = [replace(one, labels=(-1, -1, -1)) for one in world.labelled]


def unlabelled_line(world: World) -> None:
    world.labelled[1] = replace(world.labelled[1], labels=(1, 0))


def uneven(world: World) -> None:
    world.samples = world.samples.iloc[:3]
    world.summary["per_problem"][1]["n"] = 1


def summary_differs(world: World) -> None:
    world.summary["per_problem"][1]["c"] = 1


def contaminated(world: World) -> None:
    world.summary["contamination"]["worst"] = [{"problem_id": "p1", "training_id": "p9", "exact": True}]


def no_scores(world: World) -> None:
    world.samples = world.samples.iloc[:0]


def repeated_sample(world: World) -> None:
    world.samples.loc[1, "index"] = 0


def unknown_status(world: World) -> None:
    world.samples.loc[1, "status"] = "fine"


def more_passed_than_tests(world: World) -> None:
    world.samples.loc[0, "tests_passed"] = 3


def other_balance(world: World) -> None:
    world.labels["label"] = world.labels["label"].abs()


def other_lengths(world: World) -> None:
    world.labels["lines"] = 12


PLANTED: dict[str, tuple[Callable[[World], None], str, str, str]] = {
    "demonstration of no problem": (unknown_problem, "demonstration_facts", "unknown_problem", NULL),
    "test problem demonstrated": (demonstrated_test_problem, "demonstration_facts", "not_training", NULL),
    "demonstration twice": (
        repeated_demonstration,
        "demonstrations",
        "problem_id, text",
        "expect_compound_columns_to_be_unique",
    ),
    "nothing held out": (
        nothing_held_out,
        "prm_facts",
        "side",
        "expect_column_distinct_values_to_equal_set",
    ),
    "selection leaves one label": (one_label_left, "prm_facts", "positive", MEAN),
    "a line without label": (unlabelled_line, "prm_facts", "lines_differ", NULL),
    "samples missing": (uneven, "score_facts", "uneven", NULL),
    "summary that counts wrong": (summary_differs, "score_facts", "summary_differs", NULL),
    "benchmark problem trained on": (contaminated, "score_facts", "contaminated", NULL),
    "score of nothing": (no_scores, "score_facts", "", "expect_table_row_count_to_be_between"),
    "sample twice": (repeated_sample, "samples", "problem_id, index", "expect_compound_columns_to_be_unique"),
    "unknown verdict": (unknown_status, "samples", "status", "expect_column_values_to_be_in_set"),
    "more passed than there are": (
        more_passed_than_tests,
        "samples",
        "tests_total, tests_passed",
        "expect_column_pair_values_a_to_be_greater_than_b",
    ),
    "another balance than before": (other_balance, "label_facts", "positive", MEAN),
    "other lengths than before": (other_lengths, "label_facts", "length_distance", MEAN),
}
WARNINGS = {"selection leaves one label", "another balance than before", "other lengths than before"}


def test_good_data_meet_every_expectation(tmp_path: Path) -> None:
    outcomes = run_suites(World().tables(), tmp_path)
    assert [outcome for outcome in outcomes if not outcome.success] == []


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_violation_is_caught(name: str, tmp_path: Path) -> None:
    plant, table, column, expectation = PLANTED[name]
    world = World()
    plant(world)
    (judged,) = [one for one in world.tables() if one.name == table]
    failed = [outcome for outcome in run_suites([judged], tmp_path) if not outcome.success]
    hits = [outcome for outcome in failed if (outcome.column, outcome.expectation) == (column, expectation)]
    assert len(hits) == 1, failed
    assert hits[0].examples or hits[0].observed
    assert hits[0].warning is (name in WARNINGS)


def test_training_that_holds_a_benchmark_problem_is_found_unless_only_generated_sentences_are_shared() -> (
    None
):
    words = " ".join(f"word{number}" for number in range(40))

    def problem(name: str, text: str, source: str) -> Any:
        made = rows.problems().iloc[0].to_dict() | {"problem_id": name, "prompt": text, "source": source}
        return problems_from_rows([made])[0]

    training = [problem("t", f"{words} and an ending of its own", "file")]
    asked = [problem("b", words, "file"), problem("far", "quite another story", "file")]
    found = held_by_training(asked, training)
    assert set(found) == {"b"}
    assert "is in t" in found["b"]
    assert held_by_training([problem("g", words, "stepcode")], training) == {}
    assert set(held_by_training([problem("g", words, "stepcode")], [problem("t", words, "stepcode")])) == {
        "g"
    }
