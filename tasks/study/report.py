"""Tables as CSV, pictures as PNG and a page, from a study's results.

cells.csv        one row per finished cell, with its score's and policy's places in the store and their MLflow runs
comparisons.csv  every arm of every setting against the protocol's other side, with intervals and verdict
bins.csv         the same by length and difficulty for the main setting
compute.csv      what each arm cost, its own training and what its PRM needed, beside its score
prms.csv         PRM quality on the programs of the policy it trained
tuning.csv       development: every grid point of every arm, and which one was picked
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tasks.reporting.page import Page, PageSection, Picture, Table, write_page
from tasks.reporting.results import length_of
from tasks.study import pictures
from tasks.study.analysis import Comparison, compare, compare_by, interval_of, steps_to
from tasks.study.results import Result, Results
from tasks.study.settings import MAIN, Study
from tasks.study.tuning import Tried, picks, tried

PRIMARY = "pass@1 as trained"
LONG = 100
"""Tokens of the reference: the paper sees its gain above."""
QUESTIONS: Mapping[int, str] = {
    1: "The four arms, and where the gain is",
    2: "Reward sparsity",
    3: "PRM quality and quantity of data",
    4: "Selection, completions, source of labels",
    5: "Lambda, 1/T and neutral lines",
    6: "Cheap competitors",
    7: "How the critic starts",
    8: "Model size",
    9: "Cost",
}
PAPER_ARMS = ("rl", "rl_long", "dense", "value_init", "psgpo")
_ARM_QUESTIONS = (1, 6)
RIVALS: Mapping[str, str] = {
    "main/rl_long": "plain RL at no less total cost",
    "easier_mix/rl": "plain RL with easier problems mixed in",
}
"""Other ways to spend what a PRM costs."""
Rows = Sequence[Sequence[str]]


def write_report(study: Study, phase: str, found: Results, folder: Path) -> Path:
    """Write everything into `folder`; the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    compared = comparisons(study, found)
    tables = {
        "cells": (CELL_COLUMNS, [_cell_row(one) for one in found.results]),
        "comparisons": (COMPARISON_COLUMNS, [_comparison_row(*one) for one in compared]),
        "bins": (("bin", *COMPARISON_COLUMNS), bins(found)),
        "compute": (COMPUTE_COLUMNS, compute_rows(study, found)),
        "prms": (PRM_COLUMNS, [_prm_row(*one) for one in found.prms.items()]),
        "tuning": (TUNING_COLUMNS, tuning_rows(tried(study, found))),
    }
    for name, (header, rows) in tables.items():
        _write_csv(folder / f"{name}.csv", header, rows)
    page = _page(study, phase, found, compared, tables, folder)
    write_page(page, folder / "index.html")
    return folder / "index.html"


def comparisons(study: Study, found: Results) -> list[tuple[str, Comparison]]:
    """(figure, comparison) for every arm that has its other side.

    Figures: pass@1 on problems as difficult as those the other side was trained on (the protocol's primary one), on all
    problems, and the area under the learning curve. The main setting's arms with a PRM are also held against other ways
    to spend what it costs, by score alone.
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
    return [(figure, one) for figure, one in listed if one]


def _scores(
    ours: Sequence[Result], other: Sequence[Result], trained: tuple[int, int]
) -> list[tuple[str, Comparison | None]]:
    as_trained = compare(*([one.of_difficulty(*trained) for one in side] for side in (ours, other)))
    return [(PRIMARY, as_trained), ("pass@1", compare(ours, other))]


def bins(found: Results) -> list[list[str]]:
    """The main setting's arms against its rl, below and above LONG tokens and by difficulty."""
    base = found.of(MAIN, "rl")
    rows = []
    arms = dict.fromkeys(one.cell.arm for one in found.results if one.cell.setting == MAIN)
    for arm in arms:
        for name, keep in _bins(base):
            if arm == "rl" or not base:
                continue
            one = compare(_only(found.of(MAIN, arm), keep), _only(base, keep))
            if one and one.problems:
                rows.append([name, *_comparison_row("pass@1", one)])
    return rows


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


CELL_COLUMNS = (
    "setting", "arm", "seed", "pass_at_1", "pass_at_1_trained", "area", "cpu_seconds", "supervision_cpu_seconds",
    "score", "score_run", "policy", "policy_run",
)  # fmt: skip


def _cell_row(one: Result) -> list[str]:
    return [
        one.cell.setting,
        one.cell.arm,
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


COMPARISON_COLUMNS = (
    "figure", "arm", "against", "seeds", "problems", "difference", "low", "high", "verdict",
)  # fmt: skip


def _comparison_row(figure: str, one: Comparison) -> list[str]:
    values = [f"{value:+.4f}" for value in (one.value, one.low, one.high)]
    return [figure, one.name, one.other, str(one.seeds), str(one.problems), *values, one.verdict]


COMPUTE_COLUMNS = (
    "setting", "arm", "seeds", "pass_at_1_trained", "low", "high", "pass_at_1", "steps", "steps_to_rl",
    "cpu_seconds", "total_cpu_seconds",
)  # fmt: skip


def compute_rows(study: Study, found: Results) -> list[list[str]]:
    """Score beside cost, tuning left out; the first row of a setting is the SFT policy that its arms start from.

    `steps_to_rl`: steps to the training pass rate that the setting's rl (or main's) ends with.
    """
    groups: dict[tuple[str, str], list[Result]] = {}
    for one in found.results:
        if study.settings[one.cell.setting].tunes:
            continue
        groups.setdefault((one.cell.setting, one.cell.arm), []).append(one)
    rows: list[list[str]] = []
    for (setting, arm), group in groups.items():
        if setting in found.starts and not any(row[0] == setting for row in rows):
            rows.append(_start_row(found.starts[setting]))
        low, high = interval_of([one.of_difficulty(*one.trained) for one in group])
        target = _final(found.of(setting, "rl") or found.of(MAIN, "rl"))
        reached = [steps_to(one.curve, target) for one in group]
        known = [step for step in reached if step is not None]
        rows.append(
            [
                setting,
                arm,
                str(len(group)),
                f"{_mean(one.pass_at_1_trained for one in group):.4f}",
                f"{low:.4f}",
                f"{high:.4f}",
                f"{_mean(one.pass_at_1 for one in group):.4f}",
                str(max(len(one.curve) for one in group)),
                f"{_mean(known):.1f} ({len(known)} of {len(group)})" if known else "",
                f"{_mean(one.cpu_seconds for one in group):.1f}",
                f"{_mean(one.total_cpu_seconds for one in group):.1f}",
            ]
        )
    return rows


def _start_row(start: Result) -> list[str]:
    low, high = interval_of([start.of_difficulty(*start.trained)])
    scores = [f"{value:.4f}" for value in (start.pass_at_1_trained, low, high, start.pass_at_1)]
    return [start.cell.setting, start.cell.arm, "1", *scores, "0", "", "", ""]


def _final(results: Sequence[Result], window: int = 5) -> float:
    """Mean training pass rate at the end; above 1, which nothing reaches, where there is none."""
    ends = [_mean(one.curve[-window:]) for one in results if one.curve]
    return _mean(ends) if ends else 2.0


PRM_COLUMNS = ("setting", "responses", "passing", "balanced_accuracy", "auc", "balanced_accuracy_revised")


def _prm_row(setting: str, check: Mapping[str, Any]) -> list[str]:
    whole, revised = check.get("all") or {}, check.get("revised") or {}
    values = [whole.get("balanced_accuracy"), whole.get("auc"), revised.get("balanced_accuracy")]
    told = ["" if value is None else f"{value:.4f}" for value in values]
    return [setting, str(check["responses"]), str(check.get("passing", "")), *told]


TUNING_COLUMNS = ("arm", "setting", "values", "seeds", "pass_at_1_trained", "pass_at_1", "area", "picked")


def tuning_rows(points: Sequence[Tried]) -> list[list[str]]:
    """Every grid point that has a cell; `picked` marks the arm's best once all of its cells are there."""
    chosen = picks(points)
    return [
        [
            point.arm,
            point.setting,
            ", ".join(f"{key} {value}" for key, value in point.cells.items()),
            f"{len(point.results)} of {point.seeds}",
            f"{point.pass_at_1_trained:.4f}",
            f"{_mean(one.pass_at_1 for one in point.results):.4f}",
            f"{_mean(one.area for one in point.results):.4f}",
            "yes" if chosen.get(point.arm) is point else "",
        ]
        for point in points
        if point.results
    ]


def _page(
    study: Study,
    phase: str,
    found: Results,
    compared: Sequence[tuple[str, Comparison]],
    tables: Mapping[str, tuple[Sequence[str], Rows]],
    folder: Path,
) -> Page:
    sections = [_main_section(found, folder)]
    for question, title in QUESTIONS.items():
        mine = [(figure, one) for figure, one in compared if _answers(question, one.name, study)]
        if mine and question != 9:
            sections.append(_question_section(question, title, mine, folder))
    titles = {
        "bins": "By length and difficulty",
        "compute": "9. Cost",
        "prms": "PRM on the policy it trained",
        "tuning": "Tuning, on development: the same grid and seeds for every arm",
    }
    sections += [
        PageSection(title, "", _table(*tables[name])) for name, title in titles.items() if tables[name][1]
    ]
    sections.append(PageSection("Every cell", "Where each number is from.", _table(*tables["cells"])))
    told = f"{phase}, {len(found.results)} of {found.planned} cells"
    footer = "Intervals are 95 %, over seeds and problems. The protocol is docs/study.md."
    return Page(study.title, told, _conclusion(compared), sections, footer)


def _answers(question: int, name: str, study: Study) -> bool:
    """A setting of both questions runs the arms of both: the paper's, and the cheap competitors."""
    setting, arm = name.split("/", 1)
    asked = study.settings[setting].questions
    of_both = question in _ARM_QUESTIONS and set(_ARM_QUESTIONS) <= set(asked)
    return question in asked and (not of_both or (arm in PAPER_ARMS) == (question == 1))


def _main_section(found: Results, folder: Path) -> PageSection:
    path = folder / "main.png"
    pictures.main_figure(
        [one for one in found.results if one.cell.setting == MAIN], found.starts.get(MAIN), path
    )
    about = "Training pass rate by update, and pass@1 beside all that an arm cost, its PRM counted"
    return PageSection("Learning, score and cost", "", None, (Picture(path, about),))


def _question_section(
    number: int, title: str, mine: Sequence[tuple[str, Comparison]], folder: Path
) -> PageSection:
    path = folder / f"question_{number}.png"
    scores = [one for figure, one in mine if figure == PRIMARY]
    pictures.differences(scores, path)
    rows = [_comparison_row(*one) for one in mine]
    return PageSection(f"{number}. {title}", "", _table(COMPARISON_COLUMNS, rows), (Picture(path, title),))


def _conclusion(compared: Sequence[tuple[str, Comparison]]) -> str:
    """The primary figure in a sentence, and one for each rival."""
    mine = {one.other: one for figure, one in compared if (figure, one.name) == (PRIMARY, f"{MAIN}/psgpo")}
    if f"{MAIN}/rl" not in mine:
        return "The primary comparison has not been run."
    sentences = [f"psgpo - rl: {_told(mine[f'{MAIN}/rl'])}."]
    sentences += [
        f"Against {about} ({place}): {_told(mine[place])}."
        for place, about in RIVALS.items()
        if place in mine
    ]
    return " ".join(sentences)


def _told(one: Comparison) -> str:
    value, low, high = (f"{100 * part:+.1f}" for part in (one.value, one.low, one.high))
    return f"{value} points [{low}, {high}] over {one.seeds} seeds: {one.verdict}"


def _table(header: Sequence[str], rows: Rows) -> Table:
    return Table(tuple(header), tuple(tuple(row) for row in rows))


def _write_csv(path: Path, header: Sequence[str], rows: Rows) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
