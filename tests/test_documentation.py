"""The generated tables of the docs say what the code says."""

from __future__ import annotations

import re

import pytest

from tasks.config import RunConfig
from tasks.documentation import DOCS, PAGES, render
from tasks.errors import BadInput
from tasks.rows import ROW_KINDS


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_up_to_date(name: str) -> None:
    page = (DOCS / name).read_text()
    assert "<!-- generated: " in page
    assert render(page) == page, "run `python -m tasks document`"


def test_a_stale_table_is_noticed_and_the_text_around_it_kept() -> None:
    page = (DOCS / "metrics.md").read_text()
    stale = page.replace("train/kl_coefficient", "train/beta")
    assert stale != page
    assert render(stale) == page
    assert render("before <!-- no table --> after") == "before <!-- no table --> after"


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(BadInput, match="table 'nonsense'"):
        render("<!-- generated: nonsense -->\n<!-- end -->")


def test_every_setting_and_every_column_is_in_a_table() -> None:
    configuration = (DOCS / "configuration.md").read_text()
    for section, value in RunConfig().model_dump().items():
        for key in value if isinstance(value, dict) else ():
            assert re.search(rf"`{section}\.{key}[`.]", configuration), f"{section}.{key}"
    artifacts = (DOCS / "artifacts.md").read_text()
    for kind in ROW_KINDS.values():
        table = artifacts.split(f"### `{kind.name}.parquet`")[1].split("###")[0]
        assert all(f"| `{column.name}` | `{column.type}` |" in table for column in kind.columns)
