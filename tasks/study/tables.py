"""The report's tables, as text: each becomes a CSV file and a part of the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tasks.reporting.page import Table
from tasks.study.analysis import Comparison, interval_of, steps_to
from tasks.study.chain import FIT_PRM
from tasks.study.comparisons import Compared, by_bin, primary
from tasks.study.results import LABELS, Result, Results, relative_cost
from tasks.study.settings import MAIN, Study
from tasks.study.tuning import Tried, picks, tried

Rows = Sequence[Sequence[str]]
Tables = Mapping[str, tuple[Sequence[str], Rows]]
"""(header, rows) by name."""
END = 5
"""Updates that count as the end of a training."""


def every_table(study: Study, found: Results, compared: Compared) -> Tables:
    """By the name of its file; an empty one has no rows."""
    return {
        "cells": (CELL_COLUMNS, cell_rows(found)),
        "comparisons": (COMPARISON_COLUMNS, comparison_rows(compared)),
        "bins": (BIN_COLUMNS, bin_rows(by_bin(found))),
        "compute": (COMPUTE_COLUMNS, compute_rows(study, found)),
        "stages": (STAGE_COLUMNS, stage_rows(found)),
        "labels": (LABEL_COLUMNS, label_rows(found)),
        "prms": (PRM_COLUMNS, prm_rows(found)),
        "behaviour": (BEHAVIOUR_COLUMNS, behaviour_rows(study, found)),
        "sparsity": (SPARSITY_COLUMNS, sparsity_rows(study.asked(2), found, compared)),
        "sizes": (SIZE_COLUMNS, size_rows(study.asked(8), found, compared)),
        "tuning": (TUNING_COLUMNS, tuning_rows(tried(study, found))),
    }


def as_shown(header: Sequence[str], rows: Rows) -> Table:
    return Table(tuple(header), tuple(tuple(row) for row in rows))


CELL_COLUMNS = (
    "setting", "arm", "replicate", "seed", "pass_at_1", "pass_at_1_trained", "area", "cpu_seconds",
    "supervision_cpu_seconds", "score", "score_run", "policy", "policy_run",
)  # fmt: skip


def cell_rows(found: Results) -> Rows:
    return [
        [
            one.cell.setting,
            one.cell.arm,
            str(one.cell.replicate),
            str(one.cell.seed),
            repr(one.pass_at_1),
            f"{one.pass_at_1_trained:.4f}",
            f"{one.area:.4f}",
            f"{one.cpu_seconds:.1f}",
            f"{one.supervision:.1f}",
            one.score.key,
            str(one.score.manifest["mlflow_run_id"]),
            one.policy.key,
            str(one.policy.manifest["mlflow_run_id"]),
        ]
        for one in found.results
    ]


COMPARISON_COLUMNS = (
    "figure", "arm", "against", "seeds", "problems", "difference", "low", "high", "verdict",
)  # fmt: skip


def comparison_rows(compared: Compared) -> Rows:
    return [[figure, *_comparison_row(one)] for figure, one in compared]


def _comparison_row(one: Comparison) -> list[str]:
    return [one.name, one.other, str(one.seeds), str(one.problems), *_gain(one), one.verdict]


def _gain(one: Comparison | None) -> list[str]:
    return [f"{value:+.4f}" for value in (one.value, one.low, one.high)] if one else ["", "", ""]


BIN_COLUMNS = ("bin", *COMPARISON_COLUMNS)


def bin_rows(binned: Compared) -> Rows:
    return [[name, "pass@1", *_comparison_row(one)] for name, one in binned]


COMPUTE_COLUMNS = (
    "setting", "arm", "seeds", "pass_at_1_trained", "low", "high", "pass_at_1", "steps", "steps_to_rl",
    "cpu_seconds", "total_cpu_seconds", "times_rl",
)  # fmt: skip


def compute_rows(study: Study, found: Results) -> Rows:
    """Score beside cost, tuning left out; the first row of a setting is the SFT policy that its arms start from.

    `steps_to_rl`: steps to the training pass rate that the setting's rl (or main's) ends with. `times_rl`: the total over
    that of main's rl in the same replicates.
    """
    rows: list[list[str]] = []
    for (setting, arm), group in _groups(study, found).items():
        if setting in found.starts and not any(row[0] == setting for row in rows):
            rows.append(_start_row(found.starts[setting]))
        low, high = interval_of([one.of_difficulty(*one.trained) for one in group])
        target = _final(found.of(setting, "rl") or found.of(MAIN, "rl"))
        reached = [steps_to(one.curve, target) for one in group]
        known = [step for step in reached if step is not None]
        times = relative_cost(group, found.of(MAIN, "rl"))
        rows.append(
            [
                setting,
                arm,
                str(len(group)),
                f"{mean(one.pass_at_1_trained for one in group):.4f}",
                f"{low:.4f}",
                f"{high:.4f}",
                f"{mean(one.pass_at_1 for one in group):.4f}",
                str(max(len(one.curve) for one in group)),
                f"{mean(known):.1f} ({len(known)} of {len(group)})" if known else "",
                f"{mean(one.cpu_seconds for one in group):.1f}",
                f"{mean(one.total_cpu_seconds for one in group):.1f}",
                "" if times is None else f"{times:.2f}",
            ]
        )
    return rows


def _start_row(start: Result) -> list[str]:
    low, high = interval_of([start.of_difficulty(*start.trained)])
    scores = [f"{value:.4f}" for value in (start.pass_at_1_trained, low, high, start.pass_at_1)]
    return [start.cell.setting, start.cell.arm, "1", *scores, "0", "", "", "", ""]


def _final(results: Sequence[Result]) -> float:
    """Mean training pass rate at the end; above 1, which nothing reaches, where there is none."""
    ends = [mean(one.curve[-END:]) for one in results if one.curve]
    return mean(ends) if ends else 2.0


BEHAVIOUR = ("pass_rate", "prm_return", "lines", "comment_share", "response_tokens", "finished_share", "kl")
BEHAVIOUR_COLUMNS = ("setting", "arm", "seeds", *BEHAVIOUR)


def behaviour_rows(study: Study, found: Results) -> Rows:
    """What training samples look like at the end: means over END updates and seeds."""
    return [
        [setting, arm, str(len(group)), *(f"{at_the_end(group, name):.4f}" for name in BEHAVIOUR)]
        for (setting, arm), group in _groups(study, found).items()
        if all(one.updates for one in group)
    ]


def at_the_end(group: Sequence[Result], name: str) -> float:
    return mean(float(row[f"train/{name}"]) for one in group for row in one.updates[-END:])


SPARSITY_COLUMNS = (
    "setting", "easiest", "hardest", "solved_before", "rl", "psgpo", "difference", "low", "high",
)  # fmt: skip


def sparsity_rows(names: Iterable[str], found: Results, compared: Compared) -> Rows:
    """Training problems, the share that their rl's first batch solves, and what psgpo gains on such problems."""
    rows = []
    for name in names:
        if gain := _psgpo_and_rl(name, found, compared):
            rl = found.of(name, "rl")
            rows.append([name, *(str(level) for level in rl[0].trained), f"{solved_before(rl):.4f}", *gain])
    return rows


def _psgpo_and_rl(name: str, found: Results, compared: Compared) -> list[str]:
    """Scores of a setting's rl and psgpo, and the difference with its interval; empty until both have been run."""
    sides = found.of(name, "rl"), found.of(name, "psgpo")
    if not all(sides):
        return []
    scores = (f"{mean(one.pass_at_1_trained for one in side):.4f}" for side in sides)
    return [*scores, *_gain(primary(compared, f"{name}/psgpo", f"{name}/rl"))]


def solved_before(rl: Sequence[Result]) -> float:
    """Share of its training problems that the SFT policy solves: nothing has been learnt in the first batch."""
    return mean(one.curve[0] for one in rl)


PRM_COLUMNS = (
    "setting", "trained_on_responses", "held_out", "responses", "passing", "balanced_accuracy", "auc",
    "balanced_accuracy_revised",
)  # fmt: skip


def prm_rows(found: Results) -> Rows:
    """`held_out`: balanced accuracy on responses of its own data; the rest on programs of the policy it trained."""
    return [_prm_row(name, found) for name in found.prms]


def _prm_row(name: str, found: Results) -> list[str]:
    check = found.prms[name]
    prm, labels = found.costs.get(name, {}).get(FIT_PRM), found.labels.get(name, {})
    held_out = prm.manifest["metrics"].get("all_balanced_accuracy") if prm else None
    ranked = (check.get("all") or {}).get("auc")
    values = [balanced_accuracy(check), ranked, balanced_accuracy(check, "revised")]
    return [
        name,
        _whole(labels.get("responses")),
        _share(held_out),
        str(check["responses"]),
        str(check.get("passing", "")),
        *(_share(value) for value in values),
    ]


def balanced_accuracy(check: Mapping[str, Any], lines: str = "all") -> float | None:
    """On a PRM's lines of one kind. None where all have the same label: it would be that label's accuracy alone."""
    measured = check.get(lines) or {}
    return measured["balanced_accuracy"] if "auc" in measured else None


SIZE_COLUMNS = ("setting", "parameters", "rl", "psgpo", "difference", "low", "high")


def size_rows(names: Iterable[str], found: Results, compared: Compared) -> Rows:
    rows = []
    for name in names:
        if gain := _psgpo_and_rl(name, found, compared):
            rows.append([name, _whole(found.parameters(name)), *gain])
    return rows


STAGE_COLUMNS = ("setting", "stage", "jobs", "cpu_seconds", "seconds")


def stage_rows(found: Results) -> Rows:
    """What a setting's foundation cost by stage, summed over its jobs; only what no setting above it has made."""
    rows = []
    seen: set[str] = set()
    for setting, made in found.costs.items():
        groups: dict[str, list[Mapping[str, Any]]] = {}
        for one in made.values():
            if one.key not in seen:
                groups.setdefault(str(one.manifest["identity"]["stage"]), []).append(one.manifest)
        seen.update(one.key for one in made.values())
        for stage, manifests in groups.items():
            spent = (
                f"{sum(float(one[unit]) for one in manifests):.1f}" for unit in ("cpu_seconds", "seconds")
            )
            rows.append([setting, stage, str(len(manifests)), *spent])
    return rows


_COUNTED = ("responses", "failing", "revised", "lines", "completions", "executions", "tokens")
LABEL_COLUMNS = (
    "setting", *_COUNTED, "completions_per_failing", "executions_per_failing", "exhaustive_completions_per_failing",
    "cpu_seconds_per_response",
)  # fmt: skip


def label_rows(found: Results) -> Rows:
    """What labels cost: counts, and per failing response, whose prefixes are searched; by setting with labels of its own."""
    rows = []
    seen: set[frozenset[str]] = set()
    for setting, counts in found.labels.items():
        mine = {name: one for name, one in found.costs[setting].items() if name.startswith(LABELS)}
        made = frozenset(one.key for one in mine.values())
        if made not in seen:
            seen.add(made)
            failing, responses = max(1.0, counts["failing"]), max(1.0, counts["responses"])
            per_failing = (
                f"{counts[name] / failing:.2f}"
                for name in ("completions", "executions", "exhaustive_completions")
            )
            spent = sum(float(one.manifest["cpu_seconds"]) for one in mine.values()) / responses
            rows.append([setting, *(_whole(counts[name]) for name in _COUNTED), *per_failing, f"{spent:.3f}"])
    return rows


TUNING_COLUMNS = ("arm", "setting", "values", "seeds", "pass_at_1_trained", "pass_at_1", "area", "picked")


def tuning_rows(points: Sequence[Tried]) -> Rows:
    """Every grid point that has a cell; `picked` marks the arm's best once all of its cells are there."""
    chosen = picks(points)
    return [
        [
            point.arm,
            point.setting,
            ", ".join(f"{key} {value}" for key, value in point.cells.items()),
            f"{len(point.results)} of {point.seeds}",
            f"{point.pass_at_1_trained:.4f}",
            f"{mean(one.pass_at_1 for one in point.results):.4f}",
            f"{mean(one.area for one in point.results):.4f}",
            "yes" if chosen.get(point.arm) is point else "",
        ]
        for point in points
        if point.results
    ]


def mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


def _groups(study: Study, found: Results) -> dict[tuple[str, str], list[Result]]:
    """Results by setting and arm, without those that tune."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for one in found.results:
        if not study.settings[one.cell.setting].tunes:
            groups.setdefault((one.cell.setting, one.cell.arm), []).append(one)
    return groups


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"
