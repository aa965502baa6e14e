"""The page says which arm won and how sure that is; pictures are reproducible; text is escaped."""

from __future__ import annotations

import dataclasses

import pytest

from tasks.benchmarks.quarantine import Aside
from tasks.reporting import figures
from tasks.reporting.page import Page, PageSection, Table, write_page
from tasks.reporting.results import ArmResult, Score
from tasks.reporting.run_report import conclude
from tasks.reporting.sections import protocol_section, quarantine_section

RL = ArmResult("rl", (0, 1), (0.2, 0.22), 0.21, 0.18, 0.24, None, 40, 50.0, 50.0)
PSGPO = ArmResult("psgpo", (0, 1), (0.3, 0.32), 0.31, 0.27, 0.35, (0.10, 0.05, 0.15), 40, 50.0, 250.0)


def test_conclusion_names_the_winner_and_the_interval():
    text = conclude([RL, PSGPO])
    assert text.startswith("psgpo has the highest pass@1 at equal updates, 31.0 %")
    assert "+10.0 points [+5.0, +15.0], clear of zero" in text


def test_conclusion_says_when_the_difference_may_be_noise():
    unsure = dataclasses.replace(PSGPO, gain=(0.10, -0.02, 0.22))
    assert "not clear of zero" in conclude([RL, unsure])


def test_conclusion_reports_a_winning_baseline():
    behind = dataclasses.replace(PSGPO, gain=(-0.19, -0.25, -0.13))
    far_behind = dataclasses.replace(PSGPO, arm="dense", pass_at_1=0.1, gain=(-0.4, -0.45, -0.35))
    assert conclude([dataclasses.replace(RL, pass_at_1=0.5), far_behind, behind]) == (
        "rl has the highest pass@1 at equal updates, 50.0 % against 31.0 % of psgpo, the next; paired difference "
        "+19.0 points [+13.0, +25.0], clear of zero."
    )
    assert conclude([RL]) == "rl has the highest pass@1: 21.0 % [18.0 %, 24.0 %]."


def test_conclusion_names_no_winner_where_there_is_none():
    same = dataclasses.replace(PSGPO, pass_at_1=0.21, gain=(0.0, -0.03, 0.03))
    text = conclude([RL, same])
    assert text.startswith("rl is ahead of none in pass@1, 21.0 % against 21.0 % of psgpo, the next")
    assert "+0.0 points [-3.0, +3.0], not clear of zero" in text


def test_the_long_baseline_is_compared_by_compute_not_by_updates():
    longer = dataclasses.replace(
        RL, arm="rl_long", pass_at_1=0.6, steps=160, cpu_seconds=200.0, total_cpu_seconds=200.0
    )
    text = conclude([RL, longer, PSGPO])
    assert text.startswith("psgpo has the highest pass@1 at equal updates, 31.0 %")
    assert "160 updates and 200 CPU seconds, plain RL reaches 60.0 %" in text
    assert "psgpo reached 31.0 % with 250 CPU seconds" in text


def test_figures_are_the_same_bytes_twice(tmp_path):
    for name in ("a.png", "b.png"):
        figures.arms_figure([RL, PSGPO], tmp_path / name)
    figures.arms_figure([PSGPO, RL], tmp_path / "c.png")
    first, second, other = (tmp_path / name for name in ("a.png", "b.png", "c.png"))
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes() != other.read_bytes()


def test_page_escapes_what_models_wrote(tmp_path):
    table = Table(("a",), (("<b>",),))
    page = Page("t", "s", "c", [PageSection("x", "", table)], "f")
    write_page(page, tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text()
    assert "<b>" not in html
    assert "&lt;b&gt;" in html


def test_problems_that_were_put_aside_are_told_with_their_reasons():
    summary = {"benchmark": "file", "problems": 3, "samples": 6, "no_verdict": 0, "protocol": "p"}
    whole = Score("rl", 0, summary)
    less = Score("rl", 1, summary | {"excluded": ["p7"]})
    assert "in no score: p7." in protocol_section([whole, less]).text
    assert "Put aside" not in protocol_section([whole]).text
    section = quarantine_section([Aside("p7", "test", "p7: timeout")])
    assert section.title == "Put aside: 1 problem"
    assert section.table is not None
    assert section.table.rows == (("p7", "test", "p7: timeout"),)


@pytest.mark.parametrize("arm", ["rl", "psgpo", "an_arm_without_a_fixed_colour"])
def test_an_arm_keeps_its_colour(arm):
    assert figures.colour(arm) == figures.colour(arm)
    assert figures.colour(arm).startswith("#")
