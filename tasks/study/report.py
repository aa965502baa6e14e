"""A study's results as tables (CSV), pictures (PNG) and a page.

cells.csv        one row per finished cell, with its score's and policy's places in the store and their MLflow runs
comparisons.csv  every arm of every setting against the protocol's other side, against its rivals, and against the main
                 setting's same arm, with intervals and verdict
bins.csv         the main setting's arms by length and difficulty
compute.csv      what each arm cost, its own training and what its PRM needed, beside its score
stages.csv       what each stage of a setting's foundation cost
labels.csv       completions and executions that labels cost
prms.csv         PRM quality on held-out data and on the programs of the policy it trained
behaviour.csv    what samples look like at the end of training: lines, comments, tokens
sparsity.csv     question 2: gain by the share of training problems that are solved before training
sizes.csv        question 8: gain by parameters
tuning.csv       development: every grid point of every arm, and which one was picked
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from tasks.reporting.page import Page, PageSection, Picture, write_page
from tasks.study import pictures, questions, tables
from tasks.study.analysis import Comparison
from tasks.study.comparisons import BASE, PAPER_ARMS, RIVALS, Compared, comparisons, primary
from tasks.study.results import Results, relative_cost
from tasks.study.settings import MAIN, Study


def write_report(study: Study, phase: str, found: Results, folder: Path) -> Path:
    """Write everything into `folder`; the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    compared = comparisons(study, found)
    written = tables.every_table(study, found, compared)
    for name, (header, rows) in written.items():
        _write_csv(folder / f"{name}.csv", header, rows)
    write_page(_page(study, phase, found, compared, written, folder), folder / "index.html")
    return folder / "index.html"


_TITLES: Mapping[str, str] = {
    "bins": "By length and difficulty",
    "compute": "9. Cost",
    "stages": "What a foundation costs, by stage",
    "labels": "What labels cost",
    "prms": "PRM, held out and on the policy it trained",
    "tuning": "Tuning, on development: the same grid and seeds for every arm",
}
_PARTS = ("stages", "labels")


def _page(
    study: Study, phase: str, found: Results, compared: Compared, written: tables.Tables, folder: Path
) -> Page:
    sections = [
        _main_section(study, found, folder),
        *questions.sections(study, found, compared, written, folder),
    ]
    sections += [
        PageSection(title, "", tables.as_shown(*written[name]), part=name in _PARTS)
        for name, title in _TITLES.items()
        if written[name][1]
    ]
    sections.append(
        PageSection("Every cell", "Where each number is from.", tables.as_shown(*written["cells"]))
    )
    told = f"{phase}, {found.finished} of {found.planned} cells"
    if len(found.replicates) > 1:
        told += f"; with replicates {len(found.results)}"
    footer = "Intervals are 95 %, over seeds and problems. The protocol is docs/study.md."
    return Page(study.title, told, _conclusion(found, compared), sections, footer)


def _main_section(study: Study, found: Results, folder: Path) -> PageSection:
    """The paper's arms and whatever else question 1 asks, and the control."""
    groups = {}
    for name in study.asked(1):
        for arm in (*PAPER_ARMS, questions.NOISE):
            if group := found.of(name, arm):
                groups[arm if name == MAIN else f"{name}/{arm}"] = group
    path = folder / "main.png"
    pictures.main_figure(groups, found.starts.get(MAIN), path)
    about = "Training pass rate by update, and pass@1 beside all that an arm cost, its PRM counted"
    return PageSection("Learning, score and cost", "", None, (Picture(path, about),))


def _conclusion(found: Results, compared: Compared) -> str:
    """The primary figure in a sentence, and one for each rival, with what it cost."""
    ours = f"{MAIN}/psgpo"
    first = primary(compared, ours, BASE)
    if not first:
        return "The primary comparison has not been run."
    sentences = [f"psgpo - rl: {_told(first)}."]
    sentences += [
        f"Against {about} ({place}, {_cost(found, place)}): {_told(one)}."
        for place, about in RIVALS.items()
        if (one := primary(compared, ours, place))
    ]
    return " ".join(sentences)


def _cost(found: Results, place: str) -> str:
    times = relative_cost(found.of(*place.split("/", 1)), found.of(MAIN, "psgpo"))
    return "cost not comparable" if times is None else f"for {times:.2f} times the CPU seconds of psgpo"


def _told(one: Comparison) -> str:
    value, low, high = (f"{100 * part:+.1f}" for part in (one.value, one.low, one.high))
    return f"{value} points [{low}, {high}] over {one.seeds} seeds: {one.verdict}"


def _write_csv(path: Path, header: Sequence[str], rows: tables.Rows) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
