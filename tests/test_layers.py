"""Imports point downwards, without circles, and light commands stay light (design: floors of the house)."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tasks.__main__ import COMMANDS, STAGES

ROOT = Path(__file__).parents[1]

FLOORS: tuple[tuple[str, ...], ...] = (
    ("dags",),
    ("tasks.__main__", "tasks.validate_command", "tasks.study", *(module for module, _ in COMMANDS.values())),
    ("tasks.forecast", "tasks.costs", "tasks.pipeline", "tasks.maintenance"),
    ("tasks.stages",),
    ("tasks.validation", "tasks.reporting"),
    ("tasks.method",),
    ("tasks.benchmarks", "tasks.sampling"),
    ("tasks.problems",),
    ("tasks.sandbox", "tasks.store", "tasks.tracking", "tasks.form"),
    ("tasks.job_container",),
    ("tasks.job_process", "tasks.gpu_leases"),
    ("tasks.job_profile", "tasks.profiles"),
    ("tasks.config", "tasks.rows", "tasks.jobs", "tasks.cache", "tasks.launch"),
    ("tasks.errors",),
)
"""Top floor first; the longest name that fits a module is its room."""

FORBIDDEN: Mapping[str, tuple[str, ...]] = {
    "tasks": ("airflow", "dags"),
    "tasks.method": ("tasks.store", "tasks.tracking", "mlflow", "boto3"),
    "tasks.sampling": ("tasks.store", "tasks.tracking", "mlflow", "boto3"),
    "tasks.benchmarks": ("tasks.store", "tasks.tracking", "mlflow", "boto3"),
    "tasks.validation": ("tasks.store", "tasks.tracking", "mlflow", "boto3"),
    "tasks.reporting": ("tasks.store", "tasks.tracking", "mlflow", "boto3"),
    "tasks.sandbox": ("tasks.config", "tasks.store", "tasks.tracking", "torch", "numpy", "pydantic"),
    "dags": (
        "tasks.stages",
        "tasks.method",
        "tasks.sampling",
        "torch",
        "transformers",
        "great_expectations",
        "mlflow",
        "pandas",
    ),
}
"""Only stages touch store and tracking; DAG files wire; the sandbox's image holds Python alone."""

HEAVY = (
    "torch",
    "transformers",
    "mlflow",
    "great_expectations",
    "pandas",
    "pyarrow",
    "matplotlib",
    "boto3",
    "airflow",
)
"""What a stage that only finds its artifact must not import: seconds each."""


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(source: str, module: str) -> Iterator[str]:
    """Modules that a piece of source imports anywhere, inside functions too; `from x import y` counts as x and x.y."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*module.split(".")[: -node.level], *filter(None, [node.module])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def floor_of(name: str) -> tuple[int, str]:
    """Floor (0: top) and room of a module; `tasks` itself says nothing and lies at the bottom."""
    if name == "tasks":
        return len(FLOORS), name
    fitting = [
        (len(room), level, room)
        for level, rooms in enumerate(FLOORS)
        for room in rooms
        if name == room or name.startswith(room + ".")
    ]
    assert fitting, f"{name} has no floor: add it to FLOORS"
    return max(fitting)[1:]


def edges() -> list[tuple[str, str]]:
    """(importing module, imported module) for every import of the project by the project."""
    files = [path for top in ("tasks", "dags") for path in (ROOT / top).rglob("*.py")]
    assert len(files) > 60
    known = {module_name(path) for path in files}
    found = []
    for path in files:
        name = module_name(path)
        found += [
            (name, target)
            for target in imports_of(path.read_text(), name)
            if target in known and target != name
        ]
    return found


def forbidden_by(rules: Mapping[str, tuple[str, ...]], module: str, target: str) -> bool:
    return any(
        (module == room or module.startswith(room + "."))
        and any(target == banned or target.startswith(banned + ".") for banned in rules[room])
        for room in rules
    )


def test_imports_point_downwards() -> None:
    upwards = [(a, b) for a, b in edges() if floor_of(b)[0] < floor_of(a)[0]]
    assert upwards == []


def test_rooms_form_no_circle() -> None:
    below: dict[str, set[str]] = {}
    for module, target in edges():
        here, there = floor_of(module)[1], floor_of(target)[1]
        if here != there:
            below.setdefault(here, set()).add(there)

    def reach(room: str, path: tuple[str, ...]) -> None:
        assert room not in path, " -> ".join((*path, room))
        for other in below.get(room, ()):
            reach(other, (*path, room))

    for room in below:
        reach(room, ())


def test_forbidden_imports() -> None:
    files = [path for top in ("tasks", "dags") for path in (ROOT / top).rglob("*.py")]
    broken = [
        (module_name(path), target)
        for path in files
        for target in imports_of(path.read_text(), module_name(path))
        if forbidden_by(FORBIDDEN, module_name(path), target)
        and floor_of(module_name(path))[1] != "tasks.benchmarks.score_command"
    ]
    assert broken == []


@pytest.mark.parametrize(
    ("module", "source", "found"),
    [
        ("tasks.method.ppo", "def f():\n    import mlflow.tracking", True),
        ("tasks.method.ppo", "from tasks import store", True),
        ("tasks.method.ppo", "from ..store import fetch", True),
        ("tasks.stages.sft", "from airflow.sdk import dag", True),
        ("dags.psgpo_train", "import torch", True),
        ("tasks.stages.sft", "from tasks.store import fetch", False),
        ("tasks.methodical", "import mlflow", False),
    ],
)
def test_a_forbidden_import_is_seen_wherever_it_hides(module: str, source: str, found: bool) -> None:
    assert any(forbidden_by(FORBIDDEN, module, target) for target in imports_of(source, module)) is found


def test_importing_a_stage_is_light() -> None:
    """`tasks.stages.NAME` is imported before the cache is asked: no heavy package may come with it."""
    code = (
        "import importlib, json, sys\n"
        "found = {}\n"
        f"for name in {list(STAGES)!r}:\n"
        "    importlib.import_module('tasks.stages.' + name)\n"
        f"    found[name] = [heavy for heavy in {HEAVY!r} if heavy in sys.modules]\n"
        "print(json.dumps(found))\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    ).stdout
    assert {name: heavy for name, heavy in json.loads(out).items() if heavy} == {}
