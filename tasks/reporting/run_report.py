"""The page of one training run: which arm won, how sure that is, what it cost, how good the PRM was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.benchmarks.quarantine import Aside
from tasks.reporting import figures
from tasks.reporting.browser import Browser
from tasks.reporting.page import Page, PageSection, Picture, Table
from tasks.reporting.results import BASELINE_ARM, ArmResult, Score
from tasks.reporting.sections import (
    differences_of,
    draw_bins,
    draw_differences,
    matrix_section,
    protocol_section,
    quarantine_section,
    spreads_of,
    sureness_section,
)
from tasks.reporting.solved import Matrix
from tasks.reporting.supervision import label_sections, prm_sections

LONG_ARM = "rl_long"
"""Plain RL with more updates: compared by compute, not by updates."""

SMOOTHING = 5
"""Learning curves are running means over this many updates: a single batch's pass rate is noisy."""


def draw_pictures(
    scores: Sequence[Score],
    arms: Sequence[ArmResult],
    curves: Mapping[str, Sequence[Sequence[Mapping[str, float]]]],
    prm: Mapping[str, Any] | None,
    folder: Path,
) -> dict[str, Picture]:
    """Draw everything there is data for into `folder`; pictures by name."""
    drawn = {
        "arms": Picture(folder / "arms.png", "pass@1 per arm with 95 % intervals"),
        "learning": Picture(
            folder / "learning_curves.png", "pass rate on training batches over policy updates"
        ),
        "lines": Picture(folder / "lines.png", "lines per response over policy updates"),
    }
    figures.arms_figure(arms, drawn["arms"].path)
    figures.curves_figure(
        _series(curves, "train/pass_rate"),
        f"Pass rate on training batches, mean of {SMOOTHING} updates",
        "pass rate",
        drawn["learning"].path,
        SMOOTHING,
    )
    figures.curves_figure(
        _series(curves, "train/lines"),
        "Lines per response: a hack would show here",
        "lines",
        drawn["lines"].path,
        SMOOTHING,
    )
    groups = groups_of(arms, scores)
    found = differences_of(groups, BASELINE_ARM)
    if picture := draw_differences(found, folder):
        drawn["differences"] = picture
    drawn |= draw_bins(groups, BASELINE_ARM, folder)
    if prm is not None:
        drawn["position"] = Picture(folder / "prm_by_position.png", "PRM accuracy by line position")
        figures.position_figure(
            prm["by_position"], prm["controls"]["constant"]["accuracy"], drawn["position"].path
        )
        drawn["reliability"] = Picture(folder / "prm_reliability.png", "PRM reliability diagram")
        figures.reliability_figure(prm["reliability"], drawn["reliability"].path)
    return drawn


def groups_of(arms: Sequence[ArmResult], scores: Sequence[Score]) -> dict[str, list[Score]]:
    """Scores of every arm, in the arms' order."""
    return {arm.arm: [score for score in scores if score.arm == arm.arm] for arm in arms}


def build_page(
    profile: str,
    arms: Sequence[ArmResult],
    reference: Mapping[str, float],
    scores: Sequence[Score],
    stages: Sequence[Mapping[str, Any]],
    pictures: Mapping[str, Picture],
    prm: Mapping[str, Any] | None,
    prm_check: Mapping[str, Any] | None,
    label_costs: Sequence[Mapping[str, Any]],
    label_audits: Sequence[Mapping[str, Any]],
    matrix: Matrix,
    browser: Browser,
    aside: Sequence[Aside] = (),
) -> Page:
    first = scores[0].summary
    groups = groups_of(arms, scores)
    found = differences_of(groups, BASELINE_ARM)
    sections = [
        PageSection("Which arm won", _intervals_text(), _arms_table(arms, reference), (pictures["arms"],)),
        *([sureness_section(found, spreads_of(groups), pictures["differences"])] if found else []),
        PageSection("How they learned", "", None, (pictures["learning"], pictures["lines"])),
        PageSection(
            "Where it helps",
            "The paper saw the gain on programs of more than 100 tokens.",
            None,
            tuple(
                pictures[name]
                for name in ("length", "gain_length", "difficulty", "gain_difficulty")
                if name in pictures
            ),
        ),
        matrix_section(matrix),
        *prm_sections(prm, prm_check, pictures),
        *label_sections(label_costs, label_audits),
        PageSection("What it cost", "", _cost_table(stages)),
        protocol_section(scores),
        *([quarantine_section(aside)] if aside else []),
    ]
    return Page(
        f"PSGPO run: profile {profile}",
        f"{first['benchmark']}: {first['problems']} problems. {first['protocol']}.",
        conclude(arms),
        sections,
        "Intervals are 95 %. docs/evaluation.md says what such figures can and cannot show.",
        browser,
    )


def conclude(arms: Sequence[ArmResult]) -> str:
    """The result in a few sentences, whichever arm won: first at equal updates, then at equal compute."""
    equal = [arm for arm in arms if arm.arm != LONG_ARM]
    sentences = [_compare_equal_updates(equal)] if equal else []
    longer = next((arm for arm in arms if arm.arm == LONG_ARM), None)
    if longer is not None:
        sentences.append(_compare_compute(longer, equal))
    return " ".join(sentences)


def _compare_equal_updates(arms: Sequence[ArmResult]) -> str:
    """The best arm beside plain RL; plain RL, where it is the best, beside the next."""
    best = max(arms, key=lambda arm: arm.pass_at_1)
    others = [arm for arm in arms if arm is not best]
    baseline = next((arm for arm in arms if arm.arm == BASELINE_ARM), None)
    if baseline is None or not others:
        interval = f"[{_percent(best.low)}, {_percent(best.high)}]"
        return f"{best.arm} has the highest pass@1: {_percent(best.pass_at_1)} {interval}."
    if best is not baseline:
        return _lead(best, f"{_percent(baseline.pass_at_1)} of the RL baseline", best.gain)
    following = max(others, key=lambda arm: arm.pass_at_1)
    assert following.gain is not None
    difference, low, high = following.gain
    against = f"{_percent(following.pass_at_1)} of {following.arm}, the next"
    return _lead(best, against, (0 - difference, 0 - high, 0 - low))


def _lead(best: ArmResult, against: str, gain: tuple[float, float, float] | None) -> str:
    assert gain is not None
    difference, low, high = gain
    sure = "clear of zero" if low > 0 else "not clear of zero: more problems or seeds are needed to be sure"
    has = "has the highest pass@1 at equal updates" if difference > 0 else "is ahead of none in pass@1"
    return (
        f"{best.arm} {has}, {_percent(best.pass_at_1)} against {against}; paired difference {_points(difference)} points "
        f"[{_points(low)}, {_points(high)}], {sure}."
    )


def _compare_compute(longer: ArmResult, arms: Sequence[ArmResult]) -> str:
    """The baseline with more updates beside the best arm that also paid for labels and a PRM."""
    supervised = [arm for arm in arms if arm.total_cpu_seconds > arm.cpu_seconds]
    spent = f"With {longer.steps} updates and {longer.total_cpu_seconds:.0f} CPU seconds"
    text = f"{spent}, plain RL reaches {_percent(longer.pass_at_1)}"
    if not supervised:
        return f"{text}."
    best = max(supervised, key=lambda arm: arm.pass_at_1)
    return (
        f"{text}; {best.arm} reached {_percent(best.pass_at_1)} with {best.total_cpu_seconds:.0f} CPU seconds, "
        "baseline, samples, labels and PRM included."
    )


def _arms_table(arms: Sequence[ArmResult], reference: Mapping[str, float]) -> Table:
    header = (
        "arm",
        "pass@1 %",
        "95 % interval",
        "seeds",
        "difference from rl",
        "updates",
        "CPU s, own",
        "CPU s, total",
    )
    rows = [(name, f"{100 * value:.1f}", "", "", "", "0", "", "") for name, value in reference.items()]
    rows += [
        (
            arm.arm,
            f"{100 * arm.pass_at_1:.1f}",
            f"{100 * arm.low:.1f} to {100 * arm.high:.1f}",
            ", ".join(f"{100 * score:.1f}" for score in arm.per_seed),
            "" if arm.gain is None else "{} [{}, {}]".format(*map(_points, arm.gain)),
            str(arm.steps),
            f"{arm.cpu_seconds:.0f}",
            f"{arm.total_cpu_seconds:.0f}",
        )
        for arm in arms
    ]
    return Table(header, tuple(rows))


def _intervals_text() -> str:
    return (
        "Equal updates: all arms but rl_long make the same number of policy updates from the same SFT policy "
        "on the same prompts. Equal compute: rl_long spends on more updates what the PRM arms spend on baseline, "
        "samples, labels and PRM; how nearly equal, the last column says (CPU seconds for one policy)."
    )


def _cost_table(stages: Sequence[Mapping[str, Any]]) -> Table:
    rows = tuple(
        (
            str(stage["label"] or stage["stage"]),
            stage["stage"],
            f"{stage['seconds']:.1f}",
            f"{stage['cpu_seconds']:.1f}",
        )
        for stage in stages
    )
    return Table(("job", "stage", "wall seconds", "CPU seconds"), rows)


def _series(
    curves: Mapping[str, Sequence[Sequence[Mapping[str, float]]]], metric: str
) -> dict[str, list[list[float]]]:
    return {arm: [[float(row[metric]) for row in seed] for seed in seeds] for arm, seeds in curves.items()}


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"
