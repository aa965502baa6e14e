"""Which cells are held against which: the protocol's list of paired differences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tasks.reporting.results import length_of
from tasks.study.analysis import Comparison, compare, compare_by
from tasks.study.results import Result, Results
from tasks.study.settings import MAIN, Study

PRIMARY = "pass@1 as trained"
BASE = f"{MAIN}/rl"
LONG = 100
"""Tokens of the reference: the paper sees its gain above."""
PAPER_ARMS = ("rl", "rl_long", "dense", "value_init", "psgpo")
RIVALS: Mapping[str, str] = {
    "equal_compute/rl_long": "plain RL for the same price",
    "paid_prm/rl_long": "plain RL for the price without the PRM's",
    "main/rl_long": "plain RL with more updates",
    "easier_mix/rl": "plain RL with easier problems mixed in",
}
"""Plain RL in the place of a PRM: what that costs spent otherwise, or, where it is paid already, saved."""
Compared = Sequence[tuple[str, Comparison]]
"""(figure, comparison)."""


def comparisons(study: Study, found: Results) -> Compared:
    """Every arm that has its other side, by figure.

    Figures: pass@1 on problems as difficult as those the other side was trained on (the protocol's primary one), on all
    problems, and the area under the learning curve. By scores alone: the main setting's arms with a PRM against other
    ways to spend what it costs, and what a setting changed against the same arm of the main one.
    """
    listed: list[tuple[str, Comparison | None]] = []
    for name, setting in study.settings.items():
        other = found.of(*setting.against.split("/", 1))
        for arm in setting.arms:
            ours = found.of(name, arm)
            if setting.tunes or not ours or not other or f"{name}/{arm}" == setting.against:
                continue
            listed += _scores(ours, other, other[0].trained)
            listed.append(("area", compare_by(ours, other, lambda result: result.area)))
    trained = next((one.trained for one in found.of(MAIN, "rl")), (0, 0))
    for name in PAPER_ARMS:
        for place in RIVALS:
            ours, other = found.of(MAIN, name), found.of(*place.split("/", 1))
            if ours and other and ours[0].supervision:
                listed += _scores(ours, other, trained)
    for name, setting in study.settings.items():
        for arm in setting.arms:
            ours, other = found.of(name, arm), found.of(MAIN, arm)
            if ours and other and arm != "rl" and name != MAIN and setting.against == BASE:
                listed += _scores(ours, other, other[0].trained)
    return [(figure, one) for figure, one in listed if one]


def primary(compared: Compared, name: str, other: str) -> Comparison | None:
    return next(
        (one for figure, one in compared if (figure, one.name, one.other) == (PRIMARY, name, other)), None
    )


def by_bin(found: Results) -> list[tuple[str, Comparison]]:
    """The main setting's arms against its rl, below and above LONG tokens and by difficulty; (bin, comparison)."""
    base = found.of(MAIN, "rl")
    listed = []
    arms = dict.fromkeys(one.cell.arm for one in found.results if one.cell.setting == MAIN)
    for arm in arms:
        for name, keep in _bins(base):
            if arm == "rl" or not base:
                continue
            one = compare(_only(found.of(MAIN, arm), keep), _only(base, keep))
            if one and one.problems:
                listed.append((name, one))
    return listed


def _scores(
    ours: Sequence[Result], other: Sequence[Result], trained: tuple[int, int]
) -> list[tuple[str, Comparison | None]]:
    as_trained = compare(*([one.of_difficulty(*trained) for one in side] for side in (ours, other)))
    return [(PRIMARY, as_trained), ("pass@1", compare(ours, other))]


def _bins(base: Sequence[Result]) -> Iterable[tuple[str, Callable[[Mapping[str, Any]], bool]]]:
    problems = [row for one in base[:1] for row in one.summary["per_problem"]]
    if any(length_of(row) > LONG for row in problems):
        yield f"over {LONG} tokens", lambda row: length_of(row) > LONG
    yield f"up to {LONG} tokens", lambda row: length_of(row) <= LONG
    for level in sorted({row["difficulty"] for row in problems}):
        yield f"difficulty {level}", lambda row, level=level: row["difficulty"] == level  # type: ignore[misc]


def _only(results: Sequence[Result], keep: Callable[[Mapping[str, Any]], bool]) -> list[Result]:
    return [
        replace(
            one, summary={**one.summary, "per_problem": [r for r in one.summary["per_problem"] if keep(r)]}
        )
        for one in results
    ]
