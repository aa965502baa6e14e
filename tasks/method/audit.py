"""How far searched labels can be trusted: the same responses labelled exhaustively.

Every line of a failing response is judged by itself, with more completions than the search had and random streams of its
own; nothing is inferred from other lines. So the audit sees both kinds of error of the search: too few completions (a
recoverable prefix called -1) and the assumption that recoverability is monotone. A line stops at its first completion
that passes: more of them could not change its label.

What the audit cannot see: a prefix that needs more than the audit's completions to be recovered once. Its own labels err
in that one direction, less than the search's.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tasks.method.trials import Subject, Trial, Trials, Wanted, next_chunk

POSITIONS = 10
"""Lines are reported by tenths of the program."""

Evidence = dict[str, dict[int, list[Trial]]]
"""The trials of every audited line, by response id and line."""


def exhaustive_trials(
    subjects: Sequence[Subject],
    labels: Mapping[str, Sequence[int]],
    trials: Trials,
    completions: int,
    seed: int,
    after_round: Callable[[], None] = lambda: None,
) -> Evidence:
    """Up to `completions` of every line but the last (which is known to fail) and the neutral ones (label 0).

    `subjects` are failing responses, `labels` theirs by response id. Chunks grow as in the search.
    """
    trials.know(subjects)
    by_id = {subject.response_id: subject for subject in subjects}
    evidence: Evidence = {
        name: {line: [] for line in range(1, len(subject.lines)) if labels[name][line - 1] != 0}
        for name, subject in by_id.items()
    }
    unsettled = [(name, line) for name, lines in evidence.items() for line in lines]
    while unsettled:
        wanted = [
            Wanted(by_id[name], line, f"audit/{seed}/{name}/{line}/{number}", number)
            for name, line in unsettled
            for number in next_chunk(len(evidence[name][line]), completions)
        ]
        for trial in trials.begin(wanted):
            evidence[trial.wanted.subject.response_id][trial.wanted.line].append(trial)
        after_round()
        unsettled = [
            (name, line)
            for name, line in unsettled
            if len(evidence[name][line]) < completions
            and not any(trial.verdict.passed for trial in evidence[name][line])
        ]
    return evidence


def audited_labels(evidence: Evidence) -> dict[str, dict[int, int]]:
    """Label by response id and line; a line without a pass and with a missing verdict has none."""
    return {
        name: {line: label for line, trials in lines.items() if (label := _label(trials)) is not None}
        for name, lines in evidence.items()
    }


def audit_report(
    labels: Mapping[str, Sequence[int]], truth: Mapping[str, Mapping[int, int]]
) -> dict[str, Any]:
    """Searched `labels` against audited ones: error rate in all, by class, by position; breaks of monotonicity.

    `by_label["+1"]` is the error rate among lines that the search labelled +1. A break is a line that the audit calls
    recoverable right behind one that it does not.
    """
    lines: Counter[tuple[str, int]] = Counter()
    wrong: Counter[tuple[str, int]] = Counter()
    for name, true_labels in truth.items():
        for line, true in true_labels.items():
            searched = labels[name][line - 1]
            for group in (("all", 0), ("label", searched), ("tenth", _tenth(line, len(labels[name])))):
                lines[group] += 1
                wrong[group] += searched != true

    def rate(group: tuple[str, int]) -> dict[str, Any]:
        count = lines[group]
        return {"lines": count, "error_rate": wrong[group] / count if count else None}

    breaks = [_breaks(true_labels) for true_labels in truth.values()]
    return {
        "responses": len(truth),
        **rate(("all", 0)),
        "by_label": {"+1": rate(("label", 1)), "-1": rate(("label", -1))},
        "by_position": [
            {"position": (tenth + 0.5) / POSITIONS, **rate(("tenth", tenth))} for tenth in range(POSITIONS)
        ],
        "responses_not_monotone": sum(count > 0 for count in breaks),
        "breaks": sum(breaks),
    }


def _label(trials: Sequence[Trial]) -> int | None:
    if any(trial.verdict.passed for trial in trials):
        return 1
    return None if any(trial.verdict.status == "no_verdict" for trial in trials) else -1


def _tenth(line: int, lines: int) -> int:
    return (line - 1) * POSITIONS // lines


def _breaks(labels: Mapping[int, int]) -> int:
    ordered = [labels[line] for line in sorted(labels)]
    return sum(before < after for before, after in itertools.pairwise(ordered))
