"""Sections that every page of scores has: how sure the differences are, what changed, under which protocol."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.benchmarks.quarantine import Aside
from tasks.reporting import figures
from tasks.reporting.differences import Difference, Spread, difference, differences_by, spread, sureness
from tasks.reporting.page import PageSection, Picture, Table
from tasks.reporting.results import LENGTH_EDGES, Score, by_bin, difficulty_bin, length_bin
from tasks.reporting.solved import Matrix

Groups = Mapping[str, Sequence[Score]]
"""Scores of each arm (or model), one per seed; all of one benchmark."""


def differences_of(groups: Groups, baseline: str) -> list[Difference]:
    """Every arm against the baseline, which may be absent."""
    if baseline not in groups:
        return []
    found = [difference(scores, groups[baseline]) for arm, scores in groups.items() if arm != baseline]
    return [one for one in found if one is not None]


def sureness_section(
    found: Sequence[Difference], spreads: Sequence[Spread], picture: Picture | None
) -> PageSection:
    """Paired differences with intervals, the test on problems solved, what could have been seen; seeds below."""
    header = (
        "arm",
        "difference, points",
        "95 % interval",
        "which is",
        "solved by it alone",
        "by the baseline alone",
        "McNemar p",
        "detectable, points",
        "problems to see 1 point",
    )
    rows = tuple(
        (
            one.arm,
            f"{100 * one.value:+.1f}",
            f"{100 * one.low:+.1f} to {100 * one.high:+.1f}",
            sureness(one),
            str(one.only_arm),
            str(one.only_baseline),
            "< 0.001" if one.p_value < 0.001 else f"{one.p_value:.3f}",
            "" if math.isnan(one.detectable) else f"{100 * one.detectable:.1f}",
            f"{one.needed:,}",
        )
        for one in found
    )
    text = (
        f"Against {found[0].baseline}, paired by problem ({found[0].problems}), seeds averaged. A problem is solved when "
        "more than half of all samples pass. Detectable: the smallest true difference that so many problems show four times "
        "in five. Over seeds: " + "; ".join(map(_spread_text, spreads)) + "."
    )
    return PageSection("How sure", text, Table(header, rows), (picture,) if picture else ())


def matrix_section(matrix: Matrix) -> PageSection:
    return PageSection("What changed", "", matrix=matrix)


def protocol_section(scores: Sequence[Score]) -> PageSection:
    """How the scores came about: protocol, problems, what was left out, contamination."""
    header = (
        "benchmark",
        "problems",
        "samples",
        "without verdict",
        "not asked",
        "found in training problems",
    )
    rows = {
        (
            _benchmark_text(score.summary),
            str(score.summary["problems"]),
            str(score.summary["samples"]),
            str(score.summary["no_verdict"]),
            str(score.summary.get("not_asked", 0)),
            contamination_text(score.summary.get("contamination")),
        ): None
        for score in scores
    }
    protocols = dict.fromkeys(score.summary["protocol"] for score in scores)
    text = (
        f"{'. '.join(protocols)}. Only scores of one protocol compare. Samples without verdict (the sandbox failed) "
        "count in no score; problems whose prompt does not fit the model are not asked and count as not solved."
    )
    if excluded := sorted({name for score in scores for name in score.summary.get("excluded", ())}):
        text += f" Put aside before the run, not asked and in no score: {', '.join(excluded)}."
    return PageSection("How it was measured", text, Table(header, tuple(rows)))


def quarantine_section(aside: Sequence[Aside]) -> PageSection:
    text = (
        "Their references hang, eat memory, cannot be judged or change their verdict. They were put aside before the run: "
        "nothing was trained or measured on them."
    )
    rows = tuple((one.problem_id, one.split, one.reason) for one in aside)
    count = "1 problem" if len(aside) == 1 else f"{len(aside)} problems"
    return PageSection(f"Put aside: {count}", text, Table(("problem", "split", "why"), rows))


def _benchmark_text(summary: Mapping[str, Any]) -> str:
    return summary["benchmark"] + (f", {summary['window']}" if summary.get("window") else "")


def contamination_text(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "not known"
    return f"{found['exact']} exactly, {found['overlapping']} in large part (of {found['training_problems']} searched)"


def spreads_of(groups: Groups) -> list[Spread]:
    return [spread(scores) for scores in groups.values()]


def draw_bins(groups: Groups, baseline: str, folder: Path, prefix: str = "") -> dict[str, Picture]:
    """pass@1 and difference from the baseline, by length and by difficulty."""
    levels = {difficulty_bin(row) for scores in groups.values() for row in scores[0].summary["per_problem"]}
    lengths = {length_bin(row) for scores in groups.values() for row in scores[0].summary["per_problem"]}
    bins = {
        "length": (
            length_bin,
            {k: name for k, name in length_names().items() if k in lengths},
            "length, tokens",
        ),
        "difficulty": (difficulty_bin, {level: str(level) for level in sorted(levels)}, "difficulty"),
    }
    drawn = {}
    for name, (bin_of, names, told) in bins.items():
        if len(names) < 2:
            continue  # one bin is the whole benchmark
        path = folder / f"{prefix}by_{name}.png"
        figures.bins_figure(
            {arm: by_bin(scores, bin_of) for arm, scores in groups.items()}, names, f"pass@1 by {told}", path
        )
        drawn[name] = Picture(path, f"pass@1 by {told}")
        if baseline in groups and len(groups) > 1:
            gains = {
                arm: differences_by(scores, groups[baseline], bin_of)
                for arm, scores in groups.items()
                if arm != baseline
            }
            path = folder / f"{prefix}gain_by_{name}.png"
            title = f"Difference from {baseline} by {told}"
            figures.effects_figure(gains, names, title, path)
            drawn[f"gain_{name}"] = Picture(path, title)
    return drawn


def draw_differences(found: Sequence[Difference], folder: Path, prefix: str = "") -> Picture | None:
    if not found:
        return None
    path = folder / f"{prefix}differences.png"
    figures.differences_figure(found, path)
    return Picture(path, f"Difference from {found[0].baseline} with 95 % intervals")


def length_names() -> dict[int, str]:
    ends = (*(str(edge) for edge in LENGTH_EDGES[1:]), "")
    return {
        edge: f"{edge}-{end}" if end else f"over {edge}" for edge, end in zip(LENGTH_EDGES, ends, strict=True)
    }


def _spread_text(one: Spread) -> str:
    if one.seeds == 1:
        return f"{one.arm} {100 * one.mean:.1f} (one seed)"
    middle = f", interquartile mean {100 * one.interquartile:.1f}" if one.seeds >= 4 else ""
    return f"{one.arm} {100 * one.mean:.1f} ± {100 * one.error:.1f} s.e. ({one.seeds} seeds{middle})"
