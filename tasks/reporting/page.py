"""One self-contained HTML page: sections of text, tables, pictures and samples. Everything is escaped by jinja2."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


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
class SampleProgram:
    title: str
    status: str
    program: str

    @property
    def passed(self) -> bool:
        return self.status == "passed"


@dataclass(frozen=True)
class PageSection:
    title: str
    text: str = ""
    table: Table | None = None
    pictures: tuple[Picture, ...] = ()
    samples: tuple[SampleProgram, ...] = ()


@dataclass(frozen=True)
class Page:
    title: str
    subtitle: str
    conclusion: str
    sections: Sequence[PageSection]
    footer: str


def write_page(page: Page, path: Path) -> None:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    fields = {name: getattr(page, name) for name in ("title", "subtitle", "conclusion", "sections", "footer")}
    path.write_text(environment.get_template("report.html.j2").render(fields), encoding="utf-8")
