"""The study's pictures; the same data gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from tasks.reporting.figures import STYLE, colour
from tasks.study.analysis import MARGIN, Comparison, compare, interval_of
from tasks.study.results import Result, relative_cost

SMOOTH = 5
SHADED = ("rl", "dense", "value_init", "psgpo")


def main_figure(groups: Mapping[str, Sequence[Result]], start: Result | None, path: Path) -> None:
    """How arms learn, and what they reach for what they cost; by name, `rl` first, and scored as `rl` was trained."""
    with matplotlib.rc_context(STYLE):
        figure, (left, right) = plt.subplots(
            1, 2, figsize=(11.0, 4.8), dpi=110, gridspec_kw={"width_ratios": (6, 5)}
        )
        _curves(left, groups)
        _scores(right, groups, start)
        _save(figure, path)


def _curves(axes: Axes, groups: Mapping[str, Sequence[Result]]) -> None:
    """Training pass rate by update: running mean over SMOOTH updates, mean over seeds with its 95 % band (normal).

    Of arms that train on the same problems for as many updates.
    """
    base = [(len(one.curve), one.trained) for one in groups.get("rl", ()) if one.curve]
    for arm, group in groups.items():
        curves = np.array([one.curve for one in group if (len(one.curve), one.trained) in base])
        if not len(curves):
            continue
        width = min(SMOOTH, curves.shape[1])
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
    """pass@1 on problems as difficult as those trained on, with its 95 % interval; beside each arm all that it cost.

    At the right the paired difference to rl.
    """
    names = []
    trained = next((one.trained for one in groups.get("rl", ())), (0, 0))
    base = [one.of_difficulty(*trained) for one in groups.get("rl", ())]
    for y, (name, group) in enumerate(reversed(list(groups.items()))):
        times = relative_cost(group, groups.get("rl", ()))
        names.append(name if times is None else f"{name}\n{times:.1f} x rl's cost")
        scored = [one.of_difficulty(*trained) for one in group]
        low, high = interval_of(scored)
        shade = colour(group[0].cell.arm)
        axes.plot([100 * low, 100 * high], [y, y], color=shade, linewidth=2)
        axes.plot(100 * np.mean([one.pass_at_1 for one in scored]), y, "o", color=shade)
        if name != "rl" and (paired := compare(scored, base)):
            values = (f"{100 * part:+.1f}" for part in (paired.value, paired.low, paired.high))
            text = "{} [{}, {}]".format(*values)
            axes.annotate(
                text,
                (1.03, y),
                xycoords=("axes fraction", "data"),
                fontsize=8,
                va="center",
                annotation_clip=False,
            )
    axes.annotate(
        "to rl, paired", (1.03, len(names) - 0.4), xycoords=("axes fraction", "data"), fontsize=8, va="bottom"
    )
    if start:
        score = 100 * start.of_difficulty(*trained).pass_at_1
        axes.axvline(score, color=colour("sft"), linestyle="--", linewidth=1)
        axes.annotate(
            " SFT",
            (score, 0.99),
            xycoords=("data", "axes fraction"),
            fontsize=8,
            color=colour("sft"),
            va="top",
        )
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(-0.5, len(names) - 0.5)
    axes.grid(axis="y", visible=False)
    axes.set_title("pass@1, %; cost with labels and PRM")


def differences(compared: Sequence[Comparison], changed: Mapping[str, Comparison], path: Path) -> None:
    """One line per comparison with its interval; the band is what counts as null.

    Beside it what a setting's change alone does: the same arm against the main setting's, by the arm's name.
    """
    with matplotlib.rc_context(STYLE):
        columns = 2 if changed else 1
        figure, grid = plt.subplots(
            1,
            columns,
            figsize=(3.6 + 3.8 * columns, 1.2 + 0.36 * max(1, len(compared))),
            dpi=110,
            squeeze=False,
            sharey=True,
        )
        rows = list(reversed(compared))
        _intervals(grid[0][0], rows, "to what the protocol holds it against" if changed else "")
        if changed:
            _intervals(grid[0][1], [changed.get(one.name) for one in rows], "to the same arm of main")
        grid[0][0].set_yticks(range(len(rows)), [f"{one.name} - {one.other}" for one in rows], fontsize=8)
        _save(figure, path)


def _intervals(axes: Axes, rows: Sequence[Comparison | None], title: str) -> None:
    axes.axvspan(-100 * MARGIN, 100 * MARGIN, color="#eef0f3")
    axes.axvline(0, color="#22252a", linewidth=0.8)
    for y, one in enumerate(rows):
        if one:
            shade = colour(one.name.split("/")[1])
            axes.plot([100 * one.low, 100 * one.high], [y, y], color=shade, linewidth=2)
            axes.plot(100 * one.value, y, "o", color=shade)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.grid(visible=False)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("difference in pass@1, points, 95 % interval")


@dataclass(frozen=True)
class Point:
    """A gain at the place `x` of a quantity."""

    label: str
    arm: str
    x: float
    gain: Comparison


def gains_by(points: Sequence[Point], quantity: str, path: Path, log: bool = False) -> None:
    """Paired gains with their intervals over a quantity of their settings."""
    with matplotlib.rc_context(STYLE):
        figure, axes = plt.subplots()
        axes.axhspan(-100 * MARGIN, 100 * MARGIN, color="#eef0f3")
        axes.axhline(0, color="#22252a", linewidth=0.8)
        shown = set()
        for point in points:
            one, shade = point.gain, colour(point.arm)
            axes.plot([point.x, point.x], [100 * one.low, 100 * one.high], color=shade, linewidth=2)
            name = "" if point.arm in shown else point.arm
            axes.plot(point.x, 100 * one.value, "o", color=shade, label=name or None)
            shown.add(point.arm)
            axes.annotate(
                point.label,
                (point.x, 100 * one.value),
                xytext=(5, 3),
                textcoords="offset points",
                fontsize=7.5,
            )
        if log:
            axes.set_xscale("log")
        axes.margins(x=0.15)
        axes.set_xlabel(quantity)
        axes.set_title("Difference to rl in pass@1, points, 95 % interval")
        if len(shown) > 1:
            axes.legend(fontsize=8)
        _save(figure, path)


_SHOWN = (
    ("lines", 1, "Lines per response"),
    ("comment_share", 100, "Comment lines, %"),
    ("pass_rate", 100, "Training pass rate, %"),
)


def behaviour(groups: Mapping[str, Sequence[Result]], path: Path) -> None:
    """What samples look like by update: means over seeds, running means over SMOOTH updates."""
    with matplotlib.rc_context(STYLE):
        figure, grid = plt.subplots(1, len(_SHOWN), figsize=(11.0, 3.8), dpi=110)
        for axes, (name, factor, title) in zip(grid, _SHOWN, strict=True):
            for index, (label, group) in enumerate(groups.items()):
                rows = [[float(row[f"train/{name}"]) for row in one.updates] for one in group]
                steps = min(map(len, rows))
                width = min(SMOOTH, steps)
                mean = factor * np.array([row[:steps] for row in rows]).mean(axis=0)
                smooth = np.convolve(mean, np.ones(width) / width, mode="valid")
                axes.plot(
                    np.arange(len(smooth)) + width,
                    smooth,
                    color=plt.get_cmap("tab10")(index % 10),
                    linestyle="--" if label.endswith("/rl") else "-",
                    label=label,
                )
            axes.set_title(title)
            axes.set_xlabel("policy updates")
        grid[0].legend(fontsize=7)
        _save(figure, path)


def _save(figure: plt.Figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)
