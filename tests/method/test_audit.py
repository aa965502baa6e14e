"""The audit finds exactly the errors that are planted in searched labels, and says where they are."""

from __future__ import annotations

import pytest

from tasks.method.audit import audit_report, audited_labels, exhaustive_trials
from tasks.method.trials import Trials
from tests.method.scripted import NO_VERDICT, PASSED, Answer, Script, failing


def audited(subjects, labels, script, completions=4):
    trials = Trials(script, script.judge)
    return audited_labels(exhaustive_trials(subjects, labels, trials, completions, seed=0)), trials.cost


def labels_of(planted, lines):
    return [1] * planted + [-1] * (lines - planted)


def test_every_line_but_the_last_is_judged_by_itself():
    subjects = [failing("r", 10), failing("s", 1)]
    truth, cost = audited(subjects, {"r": labels_of(4, 10), "s": [-1]}, Script({"r": 4, "s": 0}))
    assert truth == {"r": {line: 1 if line <= 4 else -1 for line in range(1, 10)}, "s": {}}
    assert 4 + 5 * 4 <= cost.completions <= 4 * 4 + 5 * 4


def test_neutral_lines_are_not_audited():
    truth, _ = audited(
        [failing("r", ["x = 1", "# why", "y = 2", "return x"])], {"r": [1, 0, -1, -1]}, Script({"r": 1})
    )
    assert truth == {"r": {1: 1, 3: -1}}


def test_correct_labels_have_no_errors():
    subjects = [failing(f"r{n}", 10) for n in range(10)]
    labels = {f"r{n}": labels_of(n, 10) for n in range(10)}
    truth, _ = audited(subjects, labels, Script({f"r{n}": n for n in range(10)}))
    report = audit_report(labels, truth)
    assert (report["responses"], report["lines"], report["error_rate"], report["breaks"]) == (10, 90, 0, 0)


def test_planted_errors_are_counted_by_class_and_position():
    subjects = [failing("r", 10), failing("s", 10)]
    searched = {"r": labels_of(4, 10), "s": labels_of(9, 10)}
    truth, _ = audited(subjects, searched, Script({"r": 6, "s": 9}))
    report = audit_report(searched, truth)
    assert report["error_rate"] == pytest.approx(2 / 18)
    assert report["by_label"] == {
        "+1": {"lines": 13, "error_rate": 0},
        "-1": {"lines": 5, "error_rate": 2 / 5},
    }
    wrong = {round(row["position"], 2) for row in report["by_position"] if row["error_rate"]}
    assert wrong == {0.45, 0.55}
    assert report["by_position"][9] == {"position": 0.95, "lines": 0, "error_rate": None}


def test_breaks_of_monotonicity_are_seen():
    labels = {"r": [-1] * 5, "s": [-1] * 5}
    report = audit_report(labels, {"r": {1: -1, 2: 1, 3: -1, 4: 1}, "s": {1: 1, 2: 1, 3: -1}})
    assert (report["responses_not_monotone"], report["breaks"]) == (1, 2)


def test_lines_without_a_verdict_are_left_out_unless_one_passed():
    class Faulty(Script):
        def judge(self, problem_id, text):
            return Answer(NO_VERDICT if "wrong" in text else PASSED)

    truth, _ = audited([failing("r", 6)], {"r": labels_of(2, 6)}, Faulty({"r": 2}))
    assert truth == {"r": {1: 1, 2: 1}}
