"""From checked fields and decoded tests to one row of `tasks.rows.PROBLEMS`: what every importer ends with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from tasks.benchmarks.files import Row, typed
from tasks.errors import BadInput
from tasks.rows import SPLITS
from tasks.sandbox import tests_to_json
from tasks.sandbox.program import AssertTests, StdioTests, Tests


def problem_row(where: str, given: Mapping[str, Any], tests: Tests) -> Row:
    """A PROBLEMS row from a checked mapping; `tests` must hold at least one test."""
    if not test_count(tests):
        raise BadInput(where, "the problem has no tests", "at least one test")
    split = given.get("split") or split_by_id(given["problem_id"])
    if split not in SPLITS:
        raise BadInput(where, f"field 'split' is {split!r}", ", ".join(SPLITS))
    row = {
        "problem_id": given["problem_id"],
        "prompt": given["prompt"],
        "entry_point": "" if isinstance(tests, StdioTests) else tests.entry_point,
        "tests": tests_to_json(tests),
        "reference": given.get("reference"),
        "difficulty": given.get("difficulty", 0),
        "split": split,
        "source": given["source"],
        "licence": given.get("licence", "unknown"),
    }
    for name, value in row.items():
        if name != "difficulty" and not (name == "reference" and value is None):
            _require_text(value, name, where)
    return row


def _require_text(value: Any, name: str, where: str) -> None:
    """Half of a surrogate pair is a string in Python and no text in any file."""
    try:
        typed(value, name, str, where).encode()
    except UnicodeEncodeError as error:
        raise BadInput(where, f"field {name!r}: {error.reason} at {error.start}", "Unicode text") from error


def split_by_id(problem_id: str) -> str:
    """Where no split is given: 80 % train, 10 % validation, 10 % test, by a hash of the id."""
    percent = int.from_bytes(hashlib.blake2b(problem_id.encode(), digest_size=8).digest(), "big") % 100
    return "test" if percent < 10 else "validation" if percent < 20 else "train"


def docstring_prompt(statement: str) -> str:
    """A task told in prose as the start of a program: a module docstring that the response continues."""
    return 'r"""\n' + statement.replace("\r\n", "\n").replace('"""', "'''").strip() + '\n"""\n'


def parse_json(text: Any, name: str, where: str) -> Any:
    """Decode a field that holds JSON as text (APPS and its heirs); anything else is passed on."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(where, f"field {name!r} is not JSON: {error}") from error


def test_count(tests: Tests) -> int:
    """How many tests decide."""
    return len(tests.calls) if isinstance(tests, AssertTests) else len(tests.cases)
