"""The front page of the Data Docs needs nothing from elsewhere and hides no failure."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from tasks.validation.page import conclusion, write_front_page
from tasks.validation.running import Outcome, Table

ELSEWHERE = re.compile(r"""(?:href|src)=["'](?:https?:)?//|url\(|@import""")


def outcome(
    column: str, *, success: bool = True, warning: bool = False, unexpected: int = 0, wanted: str = "0 and 1"
) -> Outcome:
    return Outcome(
        table="labels",
        expectation="expect_column_values_to_be_between",
        column=column,
        description=f"what {column} is",
        wanted=wanted,
        warning=warning,
        success=success,
        unexpected=unexpected,
        examples=("<script>alert(1)</script>",) if unexpected else (),
        observed="",
    )


def page_of(folder: Path, *outcomes: Outcome) -> str:
    write_front_page([Table("labels", pd.DataFrame({"a": range(1200)}), [])], outcomes, folder)
    return (folder / "index.html").read_text()


def test_what_fails_comes_first_with_its_bounds_and_rows_as_text(tmp_path: Path) -> None:
    page = page_of(tmp_path, outcome("good"), outcome("bad", success=False, unexpected=1100))
    assert "1 of 2 expectations fail: the run stops here." in page
    assert page.index("What does not hold") < page.index("what bad is") < page.index("what good is")
    assert "values to be between 0 and 1" in page
    assert "1,100 rows" in page
    assert "1,200 rows, 2 expectations" in page
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_page_where_all_holds_says_so(tmp_path: Path) -> None:
    page = page_of(tmp_path, outcome("good"))
    assert "All 1 expectations hold." in page
    assert "What does not hold" not in page


def test_one_bound_is_not_between(tmp_path: Path) -> None:
    assert "<td>values to be at least 1</td>" in page_of(tmp_path, outcome("good", wanted="at least 1"))


@pytest.mark.parametrize(
    "outcomes, told",
    [
        (
            [outcome("a", success=False, warning=True)],
            "1 of 1 expectations fail as warnings: the run goes on.",
        ),
        (
            [outcome("a", success=False), outcome("b", success=False, warning=True)],
            "1 of 2 expectations fail: the run stops here; 1 more is a warning.",
        ),
    ],
)
def test_warnings_do_not_stop_the_run(outcomes: list[Outcome], told: str) -> None:
    assert conclusion(outcomes) == told


def test_pages_beside_it_fetch_nothing_from_elsewhere(tmp_path: Path) -> None:
    beside = tmp_path / "validations" / "labels.html"
    beside.parent.mkdir()
    beside.write_text(
        '<html><head><link rel="stylesheet" href="https://example.org/a.css"/>\n'
        '<link rel="icon" href="local.ico">\n<script src="https://example.org/a.js" crossorigin="x"></script></head>'
        "<body>text</body></html>"
    )
    assert ELSEWHERE.search(beside.read_text())
    page = page_of(tmp_path, outcome("good"))
    for text in (page, beside.read_text()):
        assert not ELSEWHERE.search(text)
        assert "<style>" in text
    assert 'href="local.ico"' in beside.read_text()
    assert "text" in beside.read_text()
