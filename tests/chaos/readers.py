"""Every reader of what others wrote, a valid example for each, and ways to spoil it.

A spoiled file is read, or refused by a BadInput that names it (rows: by `FILE:LINE`); anything else is a crash.
"""

from __future__ import annotations

import base64
import copy
import json
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tasks.benchmarks import humaneval, livecodebench, mbpp
from tasks.benchmarks.importers import load_problems
from tasks.benchmarks.samples import read_samples
from tasks.errors import BadInput
from tasks.problems import Problem
from tasks.profiles import load_config
from tasks.rows import LABELS, read_rows, write_rows
from tasks.sandbox import tests_from_json, tests_to_json
from tasks.sandbox.program import CallTests, Case
from tasks.sandbox.service import _Handler
from tasks.store import fetch, open_store, publish
from tasks.store.artifacts import _render, seal_of

TESTS = tests_to_json(CallTests("f", (Case((1, [2.5, None]), {"a": (1, 2)}),)))
DEEP = json.loads("[" * 200 + "]" * 200)
ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        0,
        7,
        10**30,
        1e308,
        float("nan"),
        "",
        "x",
        "\ud800",
        "a\0b",
        "../../etc/passwd",
        "/etc/passwd",
    ),
    *([], {}, [[]], [None], {"a": []}, ["x", 1], DEEP, "[" * 5000, "1" * 5000, "é" * 300),
)
HUMANEVAL = {
    "task_id": "HumanEval/0",
    "prompt": "def one():\n",
    "entry_point": "one",
    "canonical_solution": "    return 1\n",
    "test": "def check(candidate):\n    assert candidate() == 1\n",
}
_PICKLED = b'[{"input": "1\\n2", "output": "3", "testtype": "functional"}]'
ROWS: dict[str, dict[str, Any]] = {
    "problems: by hand": {
        "problem_id": "mine/double",
        "prompt": "def double(x):\n",
        "entry_point": "double",
        "tests": [{"args": [2], "expected": 4, "kwargs": {}}],
        "reference": "    return 2 * x\n",
        "difficulty": 1,
        "split": "train",
    },
    "problems: stored tests": {
        "problem_id": "mine/f",
        "prompt": "def f(a, b):\n",
        "entry_point": "f",
        "tests": TESTS,
    },
    "problems: APPS": {
        "question": "Add.",
        "input_output": json.dumps({"inputs": [[1, 2]], "outputs": [[3]], "fn_name": "add"}),
        "solutions": json.dumps(["def add(a, b):\n    return a + b"]),
        "starter_code": "",
        "difficulty": "interview",
        "id": 7,
    },
    "problems: CodeContests": {
        "name": "echo",
        "description": "Echo.",
        "public_tests": {"input": ["1\n"], "output": ["1\n"]},
        "private_tests": {"input": [], "output": []},
        "solutions": {"language": [3], "solution": ["print(input())"]},
        "difficulty": 2,
    },
    "problems: ground truth": {
        "prompt": [{"role": "user", "content": "Add."}],
        "reward_model": {
            "ground_truth": json.dumps({"inputs": ["1\n2"], "outputs": ["3"], "fn_name": "add"})
        },
        "extra_info": {"index": 3},
        "data_source": "verl",
    },
    "HumanEval": HUMANEVAL,
    "MBPP": {
        "task_id": 11,
        "text": "Same.",
        "code": "def same(x):\n    return x",
        "test_list": ["assert same(1) == 1"],
        "test_imports": ["import math"],
        "test_setup_code": "",
    },
    "LiveCodeBench": {
        "question_id": "q1",
        "question_content": "Add.",
        "starter_code": "class Solution:\n",
        "metadata": json.dumps({"func_name": "add"}),
        "difficulty": "easy",
        "contest_date": "2024-01-01T00:00:00",
        "public_test_cases": _PICKLED.decode(),
        "private_test_cases": base64.b64encode(
            zlib.compress(b"\x80\x04X" + struct.pack("<I", len(_PICKLED)) + _PICKLED + b"\x94.")
        ).decode(),
    },
    "samples": {"task_id": "HumanEval/0", "completion": "    return 1\n", "index": 0},
}


def _read_sample_rows(path: Path) -> None:
    problem = Problem("HumanEval/0", "def one():\n", "one", TESTS, None, 0, "test", "humaneval", "MIT")
    for sample in read_samples(path, {"HumanEval/0": problem}, "HumanEval"):
        assert sample.digest


_OF_ROWS: dict[str, Callable[[Path], Any]] = {
    "HumanEval": lambda path: list(humaneval.problems(path)),
    "MBPP": lambda path: list(mbpp.problems(path)),
    "LiveCodeBench": lambda path: list(livecodebench.problems(path)),
    "samples": _read_sample_rows,
}


@dataclass(frozen=True)
class Reader:
    """`spoil(generator, folder)` writes a spoiled example; `read` reads it; `names` must stand in a refusal."""

    name: str
    spoil: Callable[[random.Random, Path], Path]
    read: Callable[[Path], Any]
    names: Callable[[Path], str]

    def check(self, generator: random.Random, folder: Path) -> str:
        """ "read" or "refused"; raises what is neither (AssertionError: the message does not name the place)."""
        path = self.spoil(generator, folder)
        try:
            self.read(path)
        except BadInput as refusal:
            if self.names(path) not in str(refusal):
                raise AssertionError(f"the place is not named: {refusal}") from refusal
            return "refused"
        return "read"


def spoiled(value: Any, generator: random.Random) -> Any:
    """A copy with one to three values somewhere in it replaced, removed or added."""
    changed = copy.deepcopy(value)
    for _ in range(generator.randint(1, 3)):
        holder = _somewhere(changed, generator)
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        what = generator.choice(("replace", "replace", "remove", "add"))
        odd = copy.deepcopy(generator.choice(ODD))
        if what == "add" or not keys:
            if isinstance(holder, dict):
                holder[generator.choice(("new", "../x", "a\0b", "é" * 300))] = odd
            else:
                holder.append(odd)
        elif what == "replace":
            holder[generator.choice(keys)] = odd
        else:
            del holder[generator.choice(keys)]
    return changed


def _somewhere(tree: Any, generator: random.Random) -> Any:
    """A list or mapping at a random depth."""
    while True:
        below = [
            part
            for part in (tree.values() if isinstance(tree, dict) else tree)
            if isinstance(part, dict | list)
        ]
        if not below or generator.random() < 0.5:
            return tree
        tree = generator.choice(below)


def spoiled_bytes(data: bytes, generator: random.Random) -> bytes:
    """Cut off, bits changed, noise put in, another encoding."""
    what = generator.choice(("cut", "flip", "noise", "encode"))
    at = generator.randrange(len(data) + 1)
    if what == "cut":
        return data[:at]
    if what == "noise":
        return data[:at] + generator.randbytes(generator.randint(1, 40)) + data[at:]
    if what == "encode":
        return data.decode("latin-1").encode(generator.choice(("utf-16", "utf-32", "cp037")))
    changed = bytearray(data)
    for _ in range(generator.randint(1, 8)):
        changed[generator.randrange(len(changed))] ^= 1 << generator.randrange(8)
    return bytes(changed)


def _either(value: Any, generator: random.Random) -> bytes:
    """JSON of a spoiled value, or spoiled JSON."""
    if generator.random() < 0.7:
        return json.dumps(spoiled(value, generator)).encode()
    return spoiled_bytes(json.dumps(value).encode(), generator)


def _row_reader(name: str, row: dict[str, Any]) -> Reader:
    def spoil(generator: random.Random, folder: Path) -> Path:
        path = folder / "rows.jsonl"
        path.write_bytes(_either(row, generator) + b"\n")
        return path

    return Reader(name, spoil, _OF_ROWS.get(name, lambda path: list(load_problems(path))), str)


def _spoil_parquet(generator: random.Random, folder: Path) -> Path:
    row = {"response_id": "p#1#0", "problem_id": "p", "line": 1, "lines": 1, "label": 1}
    path = folder / "labels.parquet"
    write_rows(LABELS, [{**row, "passes": 1, "attempts": None, "source": "search"}] * 3, path)
    path.write_bytes(spoiled_bytes(path.read_bytes(), generator))
    return path


def _spoil_configuration(generator: random.Random, folder: Path) -> Path:
    path = folder / "run.yaml"
    tree = {
        "profile": "smoke",
        "ppo": {"steps": 3, "learning_rate": 1e-4},
        "arms": {"arms": ["rl"]},
        "cell": {"arm": "rl"},
    }
    path.write_bytes(_either(tree, generator))
    return path


def _spoil_setting(generator: random.Random, folder: Path) -> Path:
    path = folder / "setting"
    path.write_bytes(spoiled_bytes(b"ppo.steps=[3, {a: 1}]", generator))
    return path


def _spoil_manifest(generator: random.Random, folder: Path) -> Path:
    """Half of them carry a seal that fits: somebody meant it."""
    (folder / "made").mkdir(exist_ok=True)
    (folder / "made" / "file").write_text("content")
    store = open_store(f"file://{folder}/store")
    path = folder / "store" / "a" / "_manifest.json"
    if not path.exists():
        publish(store, "a", folder / "made", {"kind": "toy"})
        (folder / "manifest").write_bytes(path.read_bytes())
    manifest = json.loads((folder / "manifest").read_bytes())
    if generator.random() < 0.5:
        changed = spoiled(manifest, generator)
        path.write_bytes(_render({**changed, "seal": seal_of(changed)}))
    else:
        path.write_bytes(_either(manifest, generator))
    return path


def _fetch(path: Path) -> None:
    fetch(open_store(f"file://{path.parent.parent}"), "a", path.parent)


def _spoil_tests(generator: random.Random, folder: Path) -> Path:
    path = folder / "tests.json"
    path.write_bytes(_either(json.loads(TESTS), generator))
    return path


def _spoil_request(generator: random.Random, folder: Path) -> Path:
    path = folder / "request.json"
    path.write_bytes(
        _either({"code": "x = 1", "tests": TESTS, "limits": [1, 10, 256, 32, 64, 16, 100]}, generator)
    )
    return path


def _receive(path: Path) -> None:
    """As the service's handler reads a request; what it answers with 400 is refused."""
    body = path.read_bytes()
    request = SimpleNamespace(headers={"Content-Length": str(len(body))}, rfile=BytesIO(body))
    try:
        _Handler._program(request)  # type: ignore[arg-type]
    except (ValueError, TypeError, KeyError) as refusal:
        raise BadInput("request", str(refusal)) from refusal


def _nothing(path: Path) -> str:
    return ""


READERS: tuple[Reader, ...] = (
    *(_row_reader(name, row) for name, row in ROWS.items()),
    Reader("rows in Parquet", _spoil_parquet, lambda path: read_rows(LABELS, path), str),
    Reader("configuration", _spoil_configuration, lambda path: load_config(str(path)), _nothing),
    Reader(
        "--set",
        _spoil_setting,
        lambda path: load_config("smoke", [path.read_bytes().decode("utf-8", "replace")]),
        _nothing,
    ),
    Reader("manifest", _spoil_manifest, _fetch, lambda path: str(path.parent)),
    Reader(
        "tests as JSON",
        _spoil_tests,
        lambda path: tests_from_json(path.read_bytes().decode("utf-8", "replace")),
        _nothing,
    ),
    Reader("sandbox request", _spoil_request, _receive, _nothing),
)
