"""One self-contained HTML page: sections of text, tables, pictures, a solved matrix, and a browser of samples.

Everything models wrote is escaped: by jinja2 where it is markup, as JSON where it is data for the page's script.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tasks.reporting.browser import Browser
from tasks.reporting.solved import Matrix


@dataclass(frozen=True)
class Table:
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Picture:
    """A PNG, embedded as a data address."""

    path: Path
    alt: str

    @property
    def data(self) -> str:
        return "data:image/png;base64," + base64.b64encode(self.path.read_bytes()).decode()


@dataclass(frozen=True)
class PageSection:
    title: str
    text: str = ""
    table: Table | None = None
    pictures: tuple[Picture, ...] = ()
    matrix: Matrix | None = None
    part: bool = False
    """A part of the section before it: a smaller title, no entry in the page's index."""


@dataclass(frozen=True)
class Page:
    title: str
    subtitle: str
    conclusion: str
    sections: Sequence[PageSection]
    footer: str
    browser: Browser | None = None


def write_page(page: Page, path: Path) -> None:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    shown = {field.name: getattr(page, field.name) for field in fields(page)}
    path.write_text(environment.get_template("report.html.j2").render(shown), encoding="utf-8")
