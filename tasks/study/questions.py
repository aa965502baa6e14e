"""The protocol's questions, each a section of the page: its differences, and what else answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tasks.reporting.page import PageSection, Picture, Table
from tasks.study import pictures, tables
from tasks.study.analysis import Comparison
from tasks.study.comparisons import BASE, PAPER_ARMS, PRIMARY, Compared, primary
from tasks.study.results import Results
from tasks.study.settings import MAIN, Study

TITLES: Mapping[int, str] = {
    1: "The four arms, and where the gain is",
    2: "Reward sparsity",
    3: "PRM quality and quantity of data",
    4: "Selection, completions, source of labels",
    5: "Lambda, 1/T and neutral lines",
    6: "Cheap competitors",
    7: "How the critic starts",
    8: "Model size",
}
"""Question 9, cost, is a table of every cell, and no comparison."""
_ARM_QUESTIONS = (1, 6)
NOISE = "random_prm"
"""Scores that are random numbers: half of them right, on average."""


def sections(
    study: Study, found: Results, compared: Compared, written: tables.Tables, folder: Path
) -> list[PageSection]:
    """One for every question that has a comparison, followed by its parts; pictures are written into `folder`."""
    made: list[PageSection] = []
    for question, title in TITLES.items():
        mine = [(figure, one) for figure, one in compared if _answers(question, one.name, study)]
        if mine:
            made.append(_differences(study, question, title, mine, folder))
            if question in _PARTS:
                made.append(_PARTS[question](study, found, compared, written, folder))
    return made


def _answers(question: int, name: str, study: Study) -> bool:
    """A setting of both questions runs the arms of both: the paper's, and the cheap competitors."""
    setting, arm = name.split("/", 1)
    asked = study.settings[setting].questions
    of_both = question in _ARM_QUESTIONS and set(_ARM_QUESTIONS) <= set(asked)
    return question in asked and (not of_both or (arm in PAPER_ARMS) == (question == 1))


def _differences(study: Study, question: int, title: str, mine: Compared, folder: Path) -> PageSection:
    path = folder / f"question_{question}.png"
    scores = [one for figure, one in mine if figure == PRIMARY]
    changed = {one.name: one for one in scores if is_change(one)}
    against = [one for one in scores if not is_change(one)]
    pictures.differences(against, changed, path)
    table = tables.as_shown(tables.COMPARISON_COLUMNS, tables.comparison_rows(mine))
    about = "; ".join(
        f"{name}: {one.about}" for name, one in study.settings.items() if question in one.questions
    )
    return PageSection(f"{question}. {title}", about, table, (Picture(path, title),))


def is_change(one: Comparison) -> bool:
    """Held against the main setting's same arm; for rl that is the protocol's other side."""
    setting, arm = one.name.split("/", 1)
    return setting != MAIN and one.other == f"{MAIN}/{arm}" != BASE


def _sparsity(
    study: Study, found: Results, compared: Compared, written: tables.Tables, folder: Path
) -> PageSection:
    names = study.asked(2)
    points = [
        pictures.Point(name, "psgpo", 100 * tables.solved_before(found.of(name, "rl")), one)
        for name in names
        if (one := primary(compared, f"{name}/psgpo", f"{name}/rl"))
    ]
    path = folder / "sparsity.png"
    pictures.gains_by(points, "training problems that the SFT policy solves, %", path)
    about = "Gain of psgpo over rl by how many training problems are solved before training"
    return _part(about, path, tables.as_shown(*written["sparsity"]))


def _quality(
    study: Study, found: Results, compared: Compared, written: tables.Tables, folder: Path
) -> PageSection:
    names = [*(name for name in study.settings if name in found.prms and name != MAIN), MAIN]
    points = []
    for name in names:
        accuracy = tables.balanced_accuracy(found.prms.get(name, {}))
        for arm in ("dense", "psgpo"):
            one = primary(compared, f"{name}/{arm}", BASE)
            if one and accuracy is not None and (name == MAIN or 3 in study.settings[name].questions):
                points.append(pictures.Point(name, arm, 100 * accuracy, one))
    if noise := primary(compared, f"{MAIN}/{NOISE}", BASE):
        points.append(pictures.Point(NOISE, NOISE, 50.0, noise))
    path = folder / "prm_quality.png"
    pictures.gains_by(points, "balanced accuracy of the PRM on the new policy's prefixes, %", path)
    about = "Gain over rl by how good the PRM is on programs of the policy it trained; noise is right half the time"
    return _part(about, path)


def _hacks(
    study: Study, found: Results, compared: Compared, written: tables.Tables, folder: Path
) -> PageSection:
    groups = {
        f"{name}/{arm}": group
        for name in study.asked(5)
        for arm in ("rl", "psgpo")
        if (group := [one for one in found.of(name, arm) if one.updates])
    }
    header, rows = written["behaviour"]
    shown = tables.as_shown(header, [row for row in rows if f"{row[0]}/{row[1]}" in groups])
    path = folder / "behaviour.png"
    pictures.behaviour(groups, path)
    about = f"What training samples look like, by update; the table has the last {tables.END} updates"
    return _part(about, path, shown)


def _sizes(
    study: Study, found: Results, compared: Compared, written: tables.Tables, folder: Path
) -> PageSection:
    names = study.asked(8)
    points = [
        pictures.Point(name, "psgpo", float(size), one)
        for name in names
        if (size := found.parameters(name)) and (one := primary(compared, f"{name}/psgpo", f"{name}/rl"))
    ]
    path = folder / "sizes.png"
    pictures.gains_by(points, "parameters of the policy", path, log=True)
    return _part("Gain of psgpo over rl by the policy's size", path, tables.as_shown(*written["sizes"]))


_PARTS: Mapping[int, Callable[[Study, Results, Compared, tables.Tables, Path], PageSection]] = {
    2: _sparsity,
    3: _quality,
    5: _hacks,
    8: _sizes,
}


def _part(title: str, path: Path, table: Table | None = None) -> PageSection:
    return PageSection(title, "", table, (Picture(path, title),), part=True)
