"""The pictures. Each function draws one figure and writes one PNG; the same data gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from tasks.benchmarks.statistics import Effect
from tasks.reporting.differences import Difference
from tasks.reporting.results import ArmResult

ARM_COLOURS = {
    "sft": "#8a8f98",
    "baseline": "#b0b5bd",
    "rl": "#4c78a8",
    "rl_long": "#9ecae9",
    "dense": "#f2a541",
    "value_init": "#72b7b2",
    "psgpo": "#c8385a",
    "fraction_of_tests": "#7b5ea7",
    "rltf": "#a47148",
    "random_prm": "#6a994e",
    "prime": "#577590",
}
_OTHER = "#333333"
STYLE: dict[Any, Any] = {
    "figure.figsize": (7.2, 4.0),
    "figure.dpi": 110,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e6e8eb",
    "axes.axisbelow": True,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "legend.frameon": False,
}


def colour(arm: str) -> str:
    """A fixed colour per arm, the same in every figure."""
    return ARM_COLOURS.get(arm, _OTHER)


def arms_figure(results: Sequence[ArmResult], path: Path) -> None:
    """pass@1 per arm with 95 % interval; one dot per seed."""
    with _figure(path, "pass@1: mean over seeds, 95 % interval, seeds as dots") as axes:
        for x, result in enumerate(results):
            axes.bar(x, 100 * result.pass_at_1, color=colour(result.arm), width=0.62)
            axes.plot([x, x], [100 * result.low, 100 * result.high], color="#22252a", linewidth=1.6)
            axes.plot(
                [x] * len(result.per_seed),
                [100 * s for s in result.per_seed],
                "o",
                color="#22252a",
                ms=4,
                mfc="white",
            )
            axes.text(x, 100 * result.high + 0.8, f"{100 * result.pass_at_1:.1f}", ha="center", fontsize=9)
        axes.set_xticks(range(len(results)), [result.arm for result in results])
        axes.set_ylabel("pass@1, %")
        axes.set_ylim(0, max(100 * result.high for result in results) * 1.15 + 2)


def curves_figure(
    curves: Mapping[str, Sequence[Sequence[float]]], title: str, label: str, path: Path, smooth: int = 1
) -> None:
    """A metric over steps, one line per arm: mean over seeds, band of one standard error.

    `curves[arm]` has one row per seed, one value per policy update.
    """
    with _figure(path, title) as axes:
        for arm, rows in curves.items():
            length = min(len(row) for row in rows)
            table = np.array([running_mean(row[:length], smooth) for row in rows])  # [seeds, steps]
            mean, steps = table.mean(axis=0), np.arange(1, length + 1)
            axes.plot(steps, mean, color=colour(arm), label=arm, linewidth=1.8)
            if len(table) > 1:
                error = table.std(axis=0, ddof=1) / np.sqrt(len(table))
                axes.fill_between(
                    steps, mean - error, mean + error, color=colour(arm), alpha=0.15, linewidth=0
                )
        axes.set_xlabel("policy updates")
        axes.set_ylabel(label)
        axes.legend(ncols=4, loc="upper left", fontsize=9)


def bins_figure(
    bins: Mapping[str, Mapping[Any, tuple[float, float, float, int]]],
    names: Mapping[Any, str],
    title: str,
    path: Path,
) -> None:
    """pass@1 by bin, one line per arm with intervals. `bins[arm][bin] = (mean, low, high, problems)`."""
    order = list(names)
    with _figure(path, title) as axes:
        for offset, (arm, table) in enumerate(bins.items()):
            present = [key for key in order if key in table]
            xs = [order.index(key) + 0.06 * (offset - len(bins) / 2) for key in present]
            means = [100 * table[key][0] for key in present]
            axes.plot(xs, means, "o-", color=colour(arm), label=arm, linewidth=1.6, ms=4)
            for x, key in zip(xs, present, strict=True):
                axes.plot([x, x], [100 * table[key][1], 100 * table[key][2]], color=colour(arm), alpha=0.5)
        axes.set_xticks(range(len(order)), [names[key] for key in order])
        axes.set_ylabel("pass@1, %")
        axes.legend(ncols=4, loc="upper right", fontsize=9)


def differences_figure(differences: Sequence[Difference], path: Path) -> None:
    """Difference from the baseline in points with 95 % interval; what crosses the line may be chance."""
    baseline = differences[0].baseline
    with _figure(path, f"Difference from {baseline}, points of pass@1, 95 % interval") as axes:
        for y, one in enumerate(reversed(differences)):
            axes.plot([100 * one.low, 100 * one.high], [y, y], color=colour(one.arm), linewidth=2.4)
            axes.plot(100 * one.value, y, "o", color=colour(one.arm), ms=7)
            axes.text(100 * one.value, y + 0.16, f"{100 * one.value:+.1f}", ha="center", fontsize=9)
        axes.axvline(0, color="#22252a", linewidth=1)
        axes.set_yticks(range(len(differences)), [one.arm for one in reversed(differences)])
        axes.set_ylim(-0.6, len(differences) - 0.3)
        axes.grid(axis="x")
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("points")


def effects_figure(
    effects: Mapping[str, Mapping[Any, Effect]], names: Mapping[Any, str], title: str, path: Path
) -> None:
    """Difference from the baseline by bin, one line per arm with intervals."""
    order = list(names)
    with _figure(path, title) as axes:
        for offset, (arm, table) in enumerate(effects.items()):
            present = [key for key in order if key in table]
            xs = [order.index(key) + 0.07 * (offset - (len(effects) - 1) / 2) for key in present]
            axes.plot(
                xs, [100 * table[key].difference for key in present], "o-", color=colour(arm), label=arm, ms=4
            )
            for x, key in zip(xs, present, strict=True):
                axes.plot([x, x], [100 * table[key].low, 100 * table[key].high], color=colour(arm), alpha=0.5)
        axes.axhline(0, color="#22252a", linewidth=1)
        axes.set_xticks(range(len(order)), [names[key] for key in order])
        axes.set_ylabel("points")
        axes.legend(ncols=4, loc="best", fontsize=9)


def position_figure(positions: Sequence[Mapping[str, float]], chance: float, path: Path) -> None:
    """PRM balanced accuracy by line position on held-out problems; dashed: a constant predictor."""
    with _figure(path, "PRM accuracy by line position (held-out problems)") as axes:
        xs = [row["position"] for row in positions]
        axes.plot(
            xs, [100 * row["accuracy"] for row in positions], "o-", color=ARM_COLOURS["psgpo"], linewidth=1.8
        )
        axes.axhline(100 * chance, color="#8a8f98", linestyle="--", linewidth=1)
        axes.set_xlabel("line of the response")
        axes.set_ylabel("accuracy, %")
        axes.set_ylim(0, 102)
        for x, row in zip(xs, positions, strict=True):
            axes.text(x, 2, f"{row['count']:.0f}", ha="center", fontsize=8, color="#8a8f98")


def reliability_figure(bins: Sequence[Mapping[str, float]], path: Path) -> None:
    """Predicted against observed share of recoverable prefixes; the diagonal is perfect calibration."""
    with _figure(path, "PRM reliability (held-out problems)") as axes:
        axes.plot([0, 1], [0, 1], color="#8a8f98", linestyle="--", linewidth=1)
        axes.plot(
            [row["predicted"] for row in bins],
            [row["observed"] for row in bins],
            "o-",
            color=ARM_COLOURS["psgpo"],
            linewidth=1.8,
        )
        axes.set_xlabel("predicted probability that the prefix is recoverable")
        axes.set_ylabel("observed share")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)


def running_mean(row: Sequence[float], width: int) -> list[float]:
    return [float(np.mean(row[max(0, i - width + 1) : i + 1])) for i in range(len(row))]


class _figure:  # noqa: N801 - reads as a verb: `with _figure(path, title) as axes`
    """One axes in the house style, saved without dates so that the bytes are reproducible."""

    def __init__(self, path: Path, title: str) -> None:
        self.path, self.title = path, title

    def __enter__(self) -> Any:
        self.context = plt.rc_context(STYLE)
        self.context.__enter__()
        self.figure, axes = plt.subplots(layout="constrained")
        axes.set_title(self.title)
        return axes

    def __exit__(self, *exc: Any) -> None:
        if exc[0] is None:
            self.figure.savefig(self.path, metadata={"Software": None})
        plt.close(self.figure)
        self.context.__exit__(*exc)
