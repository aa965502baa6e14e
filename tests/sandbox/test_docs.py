"""docs/sandbox.md names every attack once, and the statuses, limits and types that exist."""

from __future__ import annotations

import itertools
import re
import textwrap
from collections import Counter
from dataclasses import fields
from pathlib import Path

from tasks.sandbox import STATUSES, Limits
from tests.sandbox.conftest import read_programs

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "sandbox.md").read_text()


def first_cells(heading: str) -> list[str]:
    """First column of the table under a heading, without its backticks."""
    section = re.split(r"^## ", PAGE.split(f"## {heading}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)


def test_every_attack_is_named_once() -> None:
    table = PAGE.split("| what it tries | attacks |")[1].split("\n\n")[0]
    named = Counter(re.findall(r"`(\w+)`", table))
    assert set(named) == set(read_programs("attacks"))
    assert set(named.values()) == {1}


def test_statuses_and_limits_are_those_of_the_code() -> None:
    assert first_cells("Verdicts") == list(STATUSES)
    assert first_cells("Limits") == [field.name for field in fields(Limits)]


def test_defaults_of_limits_are_those_of_the_code() -> None:
    for field in fields(Limits):
        assert f"| `{field.name}` | {field.default:g} |" in PAGE, field.name


def test_the_example_runs() -> None:
    lines = itertools.takewhile(
        lambda line: not line or line[0] == " ", PAGE[PAGE.index("    from tasks") :].split("\n")
    )
    example = textwrap.dedent("\n".join(lines))
    printed: list[tuple[object, ...]] = []
    exec(compile(example, "docs/sandbox.md", "exec"), {"print": lambda *values: printed.append(values)})
    assert printed == [("passed", 2, 2, "")]
