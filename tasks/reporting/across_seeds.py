"""All seeds of an arm together: mean and standard error, interquartile mean, best so far; as numbers and as pictures.

The interquartile mean leaves the lowest and the highest quarter of the seeds out (fractions of a seed count as such), so
that one seed that went astray does not decide; with two seeds it is the mean.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tasks.reporting.figures import STYLE, colour, running_mean
from tasks.reporting.solved import Matrix

TRAINED = "train/pass_rate"
SHOWN = (
    TRAINED,
    "train/reward",
    "train/prm_return",
    "train/lines",
    "train/comment_share",
    "train/response_tokens",
    "train/kl",
    "train/entropy",
    "train/explained_variance",
)
"""Curves of the interactive figure, where a run has them."""

Curves = Mapping[str, Sequence[Sequence[Mapping[str, float]]]]
"""By arm, one list per seed, one mapping of metrics per policy update."""


@dataclass(frozen=True)
class Band:
    """One metric of one arm over policy updates. `error` is the standard error over seeds, 0 for a single seed.

    `best` is the highest mean so far.
    """

    seeds: int
    mean: tuple[float, ...]
    error: tuple[float, ...]
    iqm: tuple[float, ...]
    best: tuple[float, ...]

    @property
    def best_update(self) -> int:
        """The update (1 = first) at which the mean was highest."""
        return int(np.argmax(self.mean)) + 1


def band(rows: Sequence[Sequence[float]], smooth: int = 1) -> Band:
    """`rows` holds one curve per seed, taken as running means over `smooth` updates; the shortest decides the length."""
    length = min(len(row) for row in rows)
    table = np.array([running_mean(row[:length], smooth) for row in rows])  # [seeds, updates]
    mean = table.mean(axis=0)
    error = table.std(axis=0, ddof=1) / np.sqrt(len(rows)) if len(rows) > 1 else np.zeros(length)
    iqm = [interquartile_mean(column) for column in table.T]
    return Band(len(rows), _plain(mean), _plain(error), _plain(iqm), _plain(np.maximum.accumulate(mean)))


def interquartile_mean(values: Sequence[float] | np.ndarray) -> float:
    """Mean of the middle half. Values at its edges count by the part of them that lies inside."""
    ordered = np.sort(np.asarray(values, dtype=float))
    count = len(ordered)
    edges = np.arange(count + 1) / count
    weights = np.clip(np.minimum(edges[1:], 0.75) - np.maximum(edges[:-1], 0.25), 0, None)
    return float((weights * ordered).sum() / weights.sum())


def bands_of(curves: Curves, smooth: int) -> dict[str, dict[str, Band]]:
    """By metric, then by arm: what every seed of the arm has, at every update."""
    found: dict[str, dict[str, Band]] = {}
    for name in SHOWN:
        for arm, seeds in curves.items():
            if seeds and all(row and all(name in update for update in row) for row in seeds):
                rows = [[update[name] for update in row] for row in seeds]
                found.setdefault(name, {})[arm] = band(rows, smooth)
    return found


def summarise(
    bands: Mapping[str, Mapping[str, Band]], scores: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    """By arm: what goes to the parent run as single values. `scores` are pass@1 per seed."""
    summary: dict[str, Any] = {}
    for arm, values in scores.items():
        spread = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
        summary[arm] = {"seeds": len(values), "iqm": interquartile_mean(values), "standard_error": spread}
        if arm in bands.get(TRAINED, {}):
            curve = bands[TRAINED][arm]
            summary[arm] |= {"best_pass_rate": curve.best[-1], "best_update": curve.best_update}
    return summary


def write_across_seeds(
    curves: Curves,
    scores: Mapping[str, Sequence[float]],
    matrix: Matrix,
    meanings: Mapping[str, str],
    smooth: int,
    folder: Path,
) -> dict[str, Any]:
    """The interactive figure and both pictures into `folder`; the summary by arm (`summarise`).

    `scores` are pass@1 per seed by arm; `meanings` say what a metric is, by its name.
    """
    bands = bands_of(curves, smooth)
    summary = summarise(bands, scores)
    write_figure(bands, summary, meanings, smooth, folder / "across_seeds.html")
    if TRAINED in bands:
        draw_bands(bands[TRAINED], smooth, folder / "across_seeds.png")
    draw_matrix(matrix, folder / "solved_matrix.png")
    return summary


def write_figure(
    bands: Mapping[str, Mapping[str, Band]],
    summary: Mapping[str, Any],
    meanings: Mapping[str, str],
    smooth: int,
    path: Path,
) -> None:
    """The interactive figure: one HTML file that needs nothing else; metric, statistic and arms are chosen in it."""
    data = {
        "smooth": smooth,
        "meanings": {name: meanings.get(name, "") for name in bands},
        "metrics": {name: {arm: _drawn(one) for arm, one in arms.items()} for name, arms in bands.items()},
        "colours": {arm: colour(arm) for arms in bands.values() for arm in arms},
        "summary": summary,
    }
    text = json.dumps(data, sort_keys=True, separators=(",", ":")).replace("<", "\\u003c")
    folder = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=folder, autoescape=True, undefined=StrictUndefined)
    page = environment.get_template("across_seeds.html.j2").render(data=Markup(text), summary=summary)  # noqa: S704
    path.write_text(page)


def draw_bands(arms: Mapping[str, Band], smooth: int, path: Path) -> None:
    """Pass rate on training batches: left mean with a band of one standard error and the dashed IQM, right best so far."""
    with plt.rc_context({**STYLE, "figure.figsize": (10.0, 4.0)}):
        figure, (left, right) = plt.subplots(1, 2, sharey=True, layout="constrained")
        for arm, one in arms.items():
            updates, mean, error = np.arange(1, len(one.mean) + 1), np.array(one.mean), np.array(one.error)
            left.plot(updates, mean, color=colour(arm), label=f"{arm} ({one.seeds})", linewidth=1.8)
            left.fill_between(updates, mean - error, mean + error, color=colour(arm), alpha=0.15, linewidth=0)
            left.plot(updates, one.iqm, "--", color=colour(arm), linewidth=1)
            right.plot(updates, one.best, color=colour(arm), linewidth=1.8)
        left.set_title(f"Mean ± standard error over seeds, IQM dashed\n(running mean of {smooth} updates)")
        right.set_title("Best so far\n")
        left.set_ylabel("pass rate on training batches")
        left.legend(ncols=2, fontsize=9, title="arm (seeds)")
        for axes in (left, right):
            axes.set_xlabel("policy updates")
        figure.savefig(path, metadata={"Software": None})
        plt.close(figure)


def draw_matrix(matrix: Matrix, path: Path) -> None:
    """Which problems (columns) which arm (row) solves: the darker, the more samples passed; marks show what changed."""
    shares = [[_nan(row.cells[number].share) for row in matrix.rows] for number in range(len(matrix.arms))]
    with plt.rc_context(
        {**STYLE, "figure.figsize": (10.0, 1.4 + 0.4 * len(matrix.arms)), "axes.grid": False}
    ):
        figure, axes = plt.subplots(layout="constrained")
        drawn = axes.imshow(shares, aspect="auto", cmap="YlGn", vmin=0, vmax=1, interpolation="nearest")
        for change, mark in (("gained", "^"), ("lost", "v")):
            found = [
                (x, y)
                for x, row in enumerate(matrix.rows)
                for y, cell in enumerate(row.cells)
                if cell.change == change
            ]
            axes.plot([x for x, _ in found], [y for _, y in found], mark, color="#22252a", ms=3, linestyle="")
        axes.set_yticks(range(len(matrix.arms)), list(matrix.arms))
        axes.set_xlabel(f"problems: those that changed against {matrix.baseline} first (▲ gained, ▼ lost)")
        axes.set_title(f"Solved matrix: {len(matrix.rows)} problems, {matrix.changed} changed")
        figure.colorbar(drawn, ax=axes, label="share of samples", pad=0.01)
        figure.savefig(path, metadata={"Software": None})
        plt.close(figure)


def _drawn(one: Band) -> dict[str, Any]:
    rounded = {
        name: [round(value, 6) for value in getattr(one, name)] for name in ("mean", "error", "iqm", "best")
    }
    return {"seeds": one.seeds, **rounded}


def _plain(values: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _nan(share: float | None) -> float:
    return float("nan") if share is None else share
