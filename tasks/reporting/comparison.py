"""The page of evaluated models: for each benchmark pass@k with intervals, differences from the first model, what changed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tasks.reporting import figures
from tasks.reporting.browser import Answers, browse
from tasks.reporting.page import Page, PageSection, Picture, Table
from tasks.reporting.results import ArmResult, Score, arm_results
from tasks.reporting.sections import (
    Groups,
    differences_of,
    draw_bins,
    draw_differences,
    matrix_section,
    protocol_section,
    spreads_of,
    sureness_section,
)
from tasks.reporting.solved import Matrix, solved_matrix

KS = (1, 5, 10, 100)


def benchmark_results(groups: Groups) -> list[ArmResult]:
    """One result per model, the difference taken from the first."""
    flat = [score for scores in groups.values() for score in scores]
    return arm_results(flat, {}, {}, {}, next(iter(groups)))


def draw(benchmark: str, groups: Groups, folder: Path) -> dict[str, Picture]:
    """The pictures of one benchmark."""
    prefix = re.sub(r"\W+", "_", benchmark) + "_"
    path = folder / f"{prefix}models.png"
    figures.arms_figure(benchmark_results(groups), path)
    baseline = next(iter(groups))
    drawn = {"models": Picture(path, f"pass@1 on {benchmark} with 95 % intervals")}
    if picture := draw_differences(differences_of(groups, baseline), folder, prefix):
        drawn["differences"] = picture
    return drawn | draw_bins(groups, baseline, folder, prefix)


def build_page(
    benchmarks: Mapping[str, Groups],
    pictures: Mapping[str, Mapping[str, Picture]],
    prompts: Mapping[str, str],
) -> Page:
    """One part per benchmark, then how it was measured, then the programs."""
    scores = [score for groups in benchmarks.values() for one in groups.values() for score in one]
    matrices = {name: solved_matrix(groups, next(iter(groups))) for name, groups in benchmarks.items()}
    sections = [
        section
        for name, groups in benchmarks.items()
        for section in _benchmark_sections(name, groups, pictures[name], matrices[name])
    ]
    answers = [Answers.of(score.arm, score.seed, score.samples()) for score in scores]
    rows = tuple(row for matrix in matrices.values() for row in matrix.rows)
    return Page(
        "Evaluation: " + ", ".join(benchmarks),
        ", ".join(dict.fromkeys(score.arm for score in scores)),
        conclude(benchmarks),
        [*sections, protocol_section(scores)],
        "Intervals are 95 %. docs/evaluation.md says what such figures can and cannot show.",
        browse(Matrix((), "", rows), prompts, _by_model(answers)),
    )


def conclude(benchmarks: Mapping[str, Groups]) -> str:
    """The result in a sentence per benchmark."""
    return " ".join(_sentence(name, groups) for name, groups in benchmarks.items())


def _sentence(benchmark: str, groups: Groups) -> str:
    results = benchmark_results(groups)
    first, best = results[0], max(results, key=lambda one: one.pass_at_1)
    interval = f"[{100 * best.low:.1f}, {100 * best.high:.1f}]"
    if len(results) > 1 and len({one.pass_at_1 for one in results}) == 1:
        return f"{benchmark}: all at pass@1 {100 * first.pass_at_1:.1f} %."
    lead = f"{benchmark}: {best.arm} has pass@1 {100 * best.pass_at_1:.1f} % {interval}"
    if best is first or best.gain is None:
        return lead + ("." if len(results) == 1 else ", the highest.")
    value, low, high = (f"{100 * part:+.1f}" for part in best.gain)
    sure = "clear of zero" if best.gain[1] > 0 else "which may be chance"
    return f"{lead}, {value} points [{low}, {high}] from {first.arm}, {sure}."


def _benchmark_sections(
    name: str, groups: Groups, pictures: Mapping[str, Picture], matrix: Matrix
) -> list[PageSection]:
    found = differences_of(groups, next(iter(groups)))
    curves = tuple(
        pictures[key] for key in ("length", "gain_length", "difficulty", "gain_difficulty") if key in pictures
    )
    sections = [
        PageSection(name, "", _scores_table(groups), (pictures["models"],)),
        *([sureness_section(found, spreads_of(groups), pictures.get("differences"))] if found else []),
        PageSection("By length and difficulty", "", None, curves),
        matrix_section(matrix),
    ]
    return [replace(one, part=one.title != name) for one in sections]


def _scores_table(groups: Groups) -> Table:
    ks = [k for k in KS if all(f"pass_at_{k}" in score.summary for one in groups.values() for score in one)]
    rows = tuple(
        (
            arm,
            *(_with_interval(score, k) for k in ks),
            str(score.summary["problems"]),
            str(score.summary["not_asked"]),
        )
        for arm, scores in groups.items()
        for score in scores
    )
    return Table(("model", *(f"pass@{k} %, 95 % interval" for k in ks), "problems", "not asked"), rows)


def _with_interval(score: Score, k: int) -> str:
    value, low, high = (100 * score.summary[f"pass_at_{k}{part}"] for part in ("", "_low", "_high"))
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"


def _by_model(answers: Sequence[Answers]) -> list[Answers]:
    """One entry per model, whatever the benchmark: problem ids are the benchmarks' own."""
    merged: dict[tuple[str, int], Answers] = {}
    for one in answers:
        key = (one.arm, one.seed)
        known = merged.get(key)
        merged[key] = Answers(*key, {**(known.samples if known else {}), **one.samples})
    return list(merged.values())
