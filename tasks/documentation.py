"""Write the tables in `docs/` that say what the code says: `python -m tasks document`.

`docs/configuration.md` from `tasks/config.py`, the row tables of `docs/artifacts.md` from `tasks/rows.py`, the metric names
of `docs/metrics.md` from `tasks/tracking/names.py`. A table stands between `<!-- generated: NAME -->` and
`<!-- end -->`; the text around it is written by hand. A test holds the pages to the code.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.config import RunConfig
from tasks.errors import BadInput
from tasks.profiles import load_config, profile_names
from tasks.rows import ROW_KINDS, RowKind
from tasks.tracking.names import METRICS, SUMMARY

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ("configuration.md", "artifacts.md", "metrics.md")
_BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def main(argv: Sequence[str]) -> int:
    argparse.ArgumentParser(prog="python -m tasks document", description=__doc__).parse_args(argv)
    for name in PAGES:
        (DOCS / name).write_text(render((DOCS / name).read_text()))
    return 0


def render(page: str) -> str:
    """The page with every generated table replaced by the current one; raises BadInput for an unknown table."""
    tables = {
        "sections": sections,
        "profiles": profiles,
        "rows": rows,
        "metrics": metrics,
        "summary": summary,
    }

    def current(match: re.Match[str]) -> str:
        if match[2] not in tables:
            raise BadInput(f"table {match[2]!r}", "is unknown", ", ".join(tables))
        return f"{match[1]}\n{tables[match[2]]().strip()}\n\n{match[3]}"

    return _BLOCK.sub(current, page)


def sections() -> str:
    """One table per section of the configuration tree: key, type, default, meaning."""
    schema = RunConfig.model_json_schema()
    return "\n".join(_sections(schema, schema, ""))


def profiles() -> str:
    """What each profile changes."""
    lines = []
    default = _leaves(RunConfig().model_dump(mode="json"))
    for name in profile_names():
        tree = load_config(name)
        changed = {
            key: value
            for key, value in _leaves(tree.model_dump(mode="json")).items()
            if value != default[key]
        }
        changed.pop("profile", None)
        cells = [(f"`{key}`", _code(value)) for key, value in changed.items()]
        lines += [f"### `{name}`", "", *(_table(("key", "value"), cells) if cells else ["The defaults."]), ""]
    return "\n".join(lines)


def rows() -> str:
    """One table per kind of row."""
    return "\n".join(line for kind in ROW_KINDS.values() for line in _row_table(kind))


def metrics() -> str:
    return _dictionary(METRICS)


def summary() -> str:
    return _dictionary(SUMMARY)


def _dictionary(names: Mapping[str, str]) -> str:
    return "\n".join(
        _table(("metric", "meaning"), [(f"`{name}`", meaning) for name, meaning in names.items()])
    )


def _sections(schema: Mapping[str, Any], section: Mapping[str, Any], prefix: str) -> Iterator[str]:
    nested, leaves = [], []
    for name, field in section["properties"].items():
        if "$ref" in field:
            nested.append((f"{prefix}{name}", schema["$defs"][field["$ref"].rpartition("/")[2]]))
        else:
            meaning = field.get("description", "")
            leaves.append((f"`{prefix}{name}`", _type(field), _code(field["default"]), meaning))
    yield from _table(("key", "type", "default", "meaning"), leaves)
    yield ""
    for name, inner in nested:
        yield from (f"### `{name}`", "", inner.get("description", ""), "")
        yield from _sections(schema, inner, f"{name}.")


def _type(field: Mapping[str, Any]) -> str:
    """A JSON schema type in words: `integer ≥ 1`, `one of a, b`, `list of one of a, b`."""
    if "anyOf" in field:
        return "one of " + ", ".join(_code(v) for choice in field["anyOf"] for v in choice["enum"])
    if "enum" in field:
        return "one of " + ", ".join(_code(value) for value in field["enum"])
    if field["type"] == "array":
        return f"list of {_type(field['items'])}"
    if "const" in field:
        return f"only {_code(field['const'])}"
    bounds = [f"{sign} {field[name]}" for name, sign in _BOUNDS.items() if name in field]
    return f"{field['type']} {', '.join(bounds)}".rstrip()


def _row_table(kind: RowKind) -> Iterator[str]:
    key = ", ".join(f"`{name}`" for name in kind.key)
    yield from (f"### `{kind.name}.parquet`", "", f"Unique: {key}.", "")
    cells = []
    for column in kind.columns:
        allowed = (
            "" if column.allowed is None else " One of " + ", ".join(_code(v) for v in column.allowed) + "."
        )
        bounds = "" if column.minimum is None else f" ≥ {column.minimum:g}."
        optional = " May be missing." if column.nullable else ""
        cells.append(
            (f"`{column.name}`", f"`{column.type}`", f"{column.meaning}.{allowed}{bounds}{optional}")
        )
    yield from _table(("column", "type", "meaning"), cells)
    yield ""


def _table(header: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(header) + " |"
    yield "| " + " | ".join("---" for _ in header) + " |"
    for row in cells:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _code(value: Any) -> str:
    return f"`{value if isinstance(value, str) and value else json.dumps(value)}`"


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        leaves.update(
            _leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
        )
    return leaves
