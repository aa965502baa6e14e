"""The study's pictures; the same data gives the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from tasks.reporting.figures import colour
from tasks.study.analysis import MARGIN, Comparison
from tasks.study.results import Result

SMOOTH = 5


def curves(results: Sequence[Result], setting: str, path: Path) -> None:
    """Training pass rate by step, mean over seeds, running mean over SMOOTH steps."""
    figure, axes = plt.subplots(figsize=(7.2, 4.0), dpi=110)
    arms = dict.fromkeys(one.cell.arm for one in results if one.cell.setting == setting)
    for arm in arms:
        group = [
            one.curve for one in results if (one.cell.setting, one.cell.arm) == (setting, arm) and one.curve
        ]
        if group:
            mean = np.mean([curve[: min(map(len, group))] for curve in group], axis=0)
            width = min(SMOOTH, len(mean))
            smooth = np.convolve(mean, np.ones(width) / width, mode="valid")
            axes.plot(np.arange(len(smooth)) + width, 100 * smooth, color=colour(arm), label=arm)
    axes.set_xlabel("policy updates")
    axes.set_ylabel("training pass rate, %")
    if arms:
        axes.legend(frameon=False)
    _save(figure, path)


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
