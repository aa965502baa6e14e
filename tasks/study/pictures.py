"""The study's pictures; the same data gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from tasks.reporting.figures import STYLE, colour
from tasks.study.analysis import MARGIN, Comparison, compare, interval_of
from tasks.study.results import Result

SMOOTH = 5
SHADED = ("rl", "dense", "value_init", "psgpo")
LONGER = "rl_long"


def main_figure(results: Sequence[Result], start: Result | None, path: Path) -> None:
    """One setting: how its arms learn, and what they reach for what they cost."""
    with matplotlib.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(11.0, 4.6), dpi=110)
        groups: dict[str, list[Result]] = {}
        for one in results:
            groups.setdefault(one.cell.arm, []).append(one)
        _curves(left, groups)
        _scores(right, groups, start)
        _save(figure, path)


def _curves(axes: Axes, groups: Mapping[str, Sequence[Result]]) -> None:
    """Training pass rate by update: running mean over SMOOTH updates, mean over seeds with its 95 % band (normal).

    Arms with more updates than the others are not drawn to their end.
    """
    steps = min((len(one.curve) for group in groups.values() for one in group if one.curve), default=0)
    width = min(SMOOTH, steps)
    for arm, group in groups.items():
        curves = np.array([one.curve[:steps] for one in group if one.curve])
        if arm == LONGER or not len(curves) or not width:
            continue
        smooth = 100 * np.array(
            [np.convolve(curve, np.ones(width) / width, mode="valid") for curve in curves]
        )
        x, mean = np.arange(smooth.shape[1]) + width, smooth.mean(axis=0)
        axes.plot(x, mean, color=colour(arm), label=arm, linewidth=2 if arm in SHADED else 1.2)
        if len(curves) > 2 and arm in SHADED:
            half = 1.96 * smooth.std(axis=0, ddof=1) / len(curves) ** 0.5
            axes.fill_between(x, mean - half, mean + half, color=colour(arm), alpha=0.15, linewidth=0)
    axes.set_title("Training pass rate, %")
    axes.set_xlabel("policy updates")
    if groups:
        axes.legend(frameon=False, fontsize=8, loc="upper left")


def _scores(axes: Axes, groups: Mapping[str, Sequence[Result]], start: Result | None) -> None:
    """pass@1 on problems as difficult as those trained on, with its 95 % interval, and the paired difference to rl.

    Beside each arm what it cost in all.
    """
    names = []
    base = [one.of_difficulty(*one.trained) for one in groups.get("rl", ())]
    for y, (arm, group) in enumerate(reversed(list(groups.items()))):
        cost = np.mean([one.total_cpu_seconds for one in group])
        names.append(f"{arm}\n{cost:,.0f} CPU s")
        as_trained = [one.of_difficulty(*one.trained) for one in group]
        low, high = interval_of(as_trained)
        mean = np.mean([one.pass_at_1 for one in as_trained])
        axes.plot([100 * low, 100 * high], [y, y], color=colour(arm), linewidth=2)
        axes.plot(100 * mean, y, "o", color=colour(arm))
        if arm != "rl" and (paired := compare(as_trained, base)):
            values = (f"{100 * part:+.1f}" for part in (paired.value, paired.low, paired.high))
            text = "{} [{}, {}] to rl, paired".format(*values)
            axes.annotate(
                text, (100 * mean, y), xytext=(0, 7), textcoords="offset points", fontsize=8, ha="center"
            )
    if start:
        score = 100 * start.pass_at_1_trained
        axes.axvline(score, color=colour("sft"), linestyle="--", linewidth=1)
        axes.annotate(
            " SFT", (score, 1), xycoords=("data", "axes fraction"), fontsize=8, color=colour("sft"), va="top"
        )
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(-0.5, len(names) - 0.5)
    axes.grid(axis="y", visible=False)
    axes.set_title("pass@1, %, 95 % interval; cost with labels and PRM")


def differences(compared: Sequence[Comparison], path: Path) -> None:
    """One line per comparison with its interval; the band is what counts as null."""
    figure, axes = plt.subplots(figsize=(7.2, 1.2 + 0.36 * max(1, len(compared))), dpi=110)
    axes.axvspan(-100 * MARGIN, 100 * MARGIN, color="#eef0f3")
    axes.axvline(0, color="#22252a", linewidth=0.8)
    for y, one in enumerate(reversed(compared)):
        shade = colour(one.name.split("/")[1])
        axes.plot([100 * one.low, 100 * one.high], [y, y], color=shade, linewidth=2)
        axes.plot(100 * one.value, y, "o", color=shade)
    names = [f"{one.name} - {one.other}" for one in reversed(compared)]
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xlabel("difference in pass@1, points, 95 % interval")
    _save(figure, path)


def _save(figure: plt.Figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)
