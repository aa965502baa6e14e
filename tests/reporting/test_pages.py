"""Solved matrix and sample browser: what changed is marked, what models wrote stays text, and the page stays light."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from tasks.reporting.browser import Answers, browse
from tasks.reporting.page import Page, write_page
from tasks.reporting.sections import matrix_section
from tasks.reporting.solved import solved_matrix
from tests.reporting.test_differences import score

EVIL = "</script><script>document.title='hacked'</script><img src=x onerror=\"document.title='hacked'\">\n    return 1\n"


def groups():
    return {
        "rl": [score("rl", [4, 0, 2, 0])],
        "psgpo": [score("psgpo", [4, 4, 0, 0])],
        "dense": [score("dense", [0, 0, 4])],
    }


def sample(problem_id: str, text: str, status: str = "failed") -> dict:
    row = {"problem_id": problem_id, "index": 0, "status": status, "tokens": 9, "detail": "<b>"}
    return {**row, "tests_passed": 0, "tests_total": 3, "text": text}


def page(tmp_path, browser=None):
    matrix = solved_matrix(groups(), "rl")
    path = tmp_path / "report.html"
    write_page(Page("title", "s", "c", [matrix_section(matrix)], "f", browser), path)
    return path


def test_a_problem_changed_when_one_solves_it_and_the_other_does_not():
    rows = {row.problem_id: row for row in solved_matrix(groups(), "rl").rows}
    assert [cell.change for cell in rows["p0"].cells] == ["", "", "lost"]
    assert [cell.change for cell in rows["p1"].cells] == ["", "gained", ""]
    assert [cell.change for cell in rows["p2"].cells] == [
        "",
        "",
        "gained",
    ]  # half of the samples is not solved
    assert [cell.share for cell in rows["p3"].cells] == [0.0, 0.0, None]
    assert not rows["p3"].changed


def test_changed_problems_come_first_and_are_counted():
    matrix = solved_matrix(groups(), "rl")
    assert matrix.changed == 3
    assert [row.changed for row in matrix.rows] == [True, True, True, False]


def test_without_the_baseline_nothing_changed():
    assert solved_matrix(groups(), "absent").changed == 0


def test_the_matrix_is_in_the_page(tmp_path):
    html = page(tmp_path).read_text()
    assert html.count("<tr data-id=") + html.count('<tr class=same data-id="p3"') == 4
    assert "only the 3 of 4 problems that changed" in html
    assert "▼0" in html


def test_the_browser_has_every_arms_first_sample_and_line_rewards():
    matrix = solved_matrix(groups(), "rl")
    answers = [
        Answers.of(arm, 0, [sample("p0", f"{arm}\n"), sample("p0", "second")]) for arm in ("rl", "psgpo")
    ]
    rewards = browse(matrix, {"p0": "prompt"}, answers, lambda prompt, texts: [[0.123] for _ in texts])
    (entry,) = [one for one in json.loads(rewards.data) if one["id"] == "p0"]
    assert [(one["arm"], one["text"], one["rewards"]) for one in entry["answers"]] == [
        ("rl", "rl\n", [0.12]),
        ("psgpo", "psgpo\n", [0.12]),
    ]
    assert rewards.line_rewards
    assert not browse(matrix, {}, answers).line_rewards


def test_the_browser_stops_before_the_page_grows_heavy():
    matrix = solved_matrix(groups(), "rl")
    answers = [Answers.of("rl", 0, [sample(f"p{i}", "x" * 400) for i in range(4)])]
    browser = browse(matrix, {}, answers, most_bytes=1500)
    assert browser.problems == 4
    assert len(json.loads(browser.data)) == 2
    assert len(browser.data) < 1500


def test_what_models_wrote_cannot_leave_its_place(tmp_path):
    browser = browse(solved_matrix(groups(), "rl"), {"p0": EVIL}, [Answers.of("rl", 0, [sample("p0", EVIL)])])
    html = page(tmp_path, browser).read_text()
    assert html.count("</script>") == html.count("<script")
    data = re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1]
    entry = next(one for one in json.loads(data) if one["id"] == "p0")
    assert entry["answers"][0]["text"] == EVIL


def in_browser(path) -> str:
    """The page as a browser leaves it after its scripts have run."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command = [chromium, *options, f"--user-data-dir={path.parent}/profile", "--dump-dom", f"file://{path}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_a_real_browser_shows_the_programs_and_runs_nothing_of_theirs(tmp_path):
    browser = browse(
        solved_matrix(groups(), "rl"),
        {f"p{i}": EVIL for i in range(4)},
        [Answers.of("rl", 0, [sample(f"p{i}", EVIL) for i in range(4)])],
        lambda prompt, texts: [[-0.9, 0.5] for _ in texts],
    )
    dom = in_browser(page(tmp_path, browser))
    assert "<title>title</title>" in dom
    assert "4 of 4 problems" in dom
    assert 'class="line bad"' in dom
    assert "+0.50" in dom
