"""The dictionary of metric names and the code that logs them say the same."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tasks.tracking.names import METRICS

TASKS = Path(__file__).parents[2] / "tasks"
NAME = re.compile(r"(sft|train|prm|eval|label|time)/[a-z0-9_]+")


def logged_names(source: str) -> Iterator[str]:
    """Metric names that a piece of source puts values under: keys of mappings, and subscripts."""
    for node in ast.walk(ast.parse(source)):
        keys = (
            node.keys
            if isinstance(node, ast.Dict)
            else [node.slice]
            if isinstance(node, ast.Subscript)
            else []
        )
        for key in keys:
            if isinstance(key, ast.Constant) and isinstance(key.value, str) and NAME.fullmatch(key.value):
                yield key.value


def test_names_are_found_in_source() -> None:
    assert set(logged_names('x = {"train/kl": 1, "other": 2}; y["time/step"] = 3; f("prm/loss")')) == {
        "train/kl",
        "time/step",
    }


def constants(source: str) -> set[str]:
    nodes = ast.walk(ast.parse(source))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_every_logged_name_has_a_meaning_and_every_meaning_is_logged() -> None:
    """A name may be put together from a group and a constant: then the constant must be there."""
    sources = [path.read_text() for path in TASKS.rglob("*.py") if path.name != "names.py"]
    assert len(sources) > 30
    logged = {name for source in sources for name in logged_names(source)}
    written = set().union(*map(constants, sources))
    assert logged - set(METRICS) == set()
    assert {name for name in set(METRICS) - logged if name.partition("/")[2] not in written} == set()


def test_names_are_what_mlflow_takes() -> None:
    assert all(NAME.fullmatch(name) and meaning for name, meaning in METRICS.items())
