"""Training problems from files: rows people write by hand, and the rows of public data sets.

    tests given as `tests`              plain rows, written by hand (docs/problems.md)       importers.py
    `input_output`                      APPS, TACO                                           import_forms.py
    `public_tests`                      CodeContests                                         import_forms.py
    `reward_model.ground_truth`         {inputs, outputs, fn_name} rows (verl, PRIME)        import_forms.py
    `test_list`                         MBPP, train split and validation split               mbpp.py

`load_problems` finds out which. What it yields is checked for form only; `quarantine.py` runs the reference solutions in
the sandbox.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tasks.benchmarks import import_forms, mbpp
from tasks.benchmarks.files import Row, field, read_objects, reading_row, typed
from tasks.benchmarks.problem_rows import problem_row
from tasks.errors import BadInput
from tasks.rows import PROBLEMS
from tasks.sandbox import tests_from_json
from tasks.sandbox.program import AssertTests, CallTests, Case, StdioCase, StdioTests, Tests

KNOWN_FIELDS = tuple(column.name for column in PROBLEMS.columns)
ALLOWED_TESTS = (
    'a list of {"args": [...], "expected": ...}, of {"stdin": "", "expected": ""} or of "assert ..."'
)


def load_problems(path: Path) -> Iterator[Row]:
    """Rows of `tasks.rows.PROBLEMS` from .jsonl (also .gz, .zst) or .parquet, streamed.

    Raises BadInput, naming file and row, for a form nobody knows, a missing or wrong field, a duplicate id, and a
    problem without tests.
    """
    first_seen: dict[bytes, str] = {}
    importer: Callable[[Row, str], Iterator[Row]] | None = None
    for where, given in read_objects(path):
        importer = importer or _importer_for(given, where)
        with reading_row(where):
            rows = list(importer(given, where))
        for row in rows:
            identity = hashlib.blake2b(row["problem_id"].encode(), digest_size=12).digest()
            if identity in first_seen:
                raise BadInput(
                    where, f"problem_id {row['problem_id']!r} is also at {first_seen[identity]}", "unique ids"
                )
            first_seen[identity] = where
            yield row
    if not first_seen:
        raise BadInput(str(path), "holds no problems", "at least one row")


def _importer_for(row: Row, where: str) -> Callable[[Row, str], Iterator[Row]]:
    forms: dict[str, Callable[[Row, str], Iterator[Row]]] = {
        "input_output": import_forms.from_apps,
        "public_tests": import_forms.from_code_contests,
        "reward_model": import_forms.from_ground_truth,
        "test_list": mbpp.training_rows,
        "tests": _from_plain,
        "problem_id": _from_plain,
    }
    for name, importer in forms.items():
        if name in row:
            return importer
    raise BadInput(where, f"fields {sorted(row)} are no known form of problem", "rows as in docs/problems.md")


def _from_plain(row: Row, where: str) -> Iterator[Row]:
    given = {
        "source": "file",
        **{name: value for name, value in row.items() if value is not None},
        "problem_id": field(row, "problem_id", str, where),
        "prompt": field(row, "prompt", str, where),
    }
    for name, value in given.items():
        if name not in KNOWN_FIELDS:
            raise BadInput(where, f"field {name!r} is unknown", ", ".join(KNOWN_FIELDS))
        if name != "tests":
            typed(value, name, int if name == "difficulty" else str, where)
    if given.get("difficulty", 0) < 0:
        raise BadInput(where, f"field 'difficulty' is {given['difficulty']}", "0 or more")
    yield problem_row(where, given, _plain_tests(row, where))


def _plain_tests(row: Row, where: str) -> Tests:
    tests = row.get("tests")
    if isinstance(tests, str):
        return _stored_tests(tests, where)
    if not isinstance(tests, list) or not tests:
        raise BadInput(where, "field 'tests': the problem has no tests", ALLOWED_TESTS)
    if isinstance(tests[0], dict) and "stdin" in tests[0]:
        return StdioTests(tuple(_stdio_case(test, where) for test in tests))
    entry_point = field(row, "entry_point", str, where)
    if isinstance(tests[0], str):
        return AssertTests(entry_point, tuple(typed(test, "tests", str, where) for test in tests))
    return CallTests(entry_point, tuple(_case(test, where) for test in tests))


def _stored_tests(text: str, where: str) -> Tests:
    try:
        return tests_from_json(text)
    except (BadInput, ValueError, KeyError, TypeError) as error:
        raise BadInput(where, f"field 'tests' is not tests as JSON: {error}", ALLOWED_TESTS) from error


def _case(case: Any, where: str) -> Case:
    case = typed(case, "tests", dict, where)
    args = tuple(field(case, "args", list, where))
    if "expected" not in case:
        raise BadInput(where, "field 'expected' is missing in a test", ALLOWED_TESTS)
    return Case(args, case["expected"], typed(case.get("kwargs", {}), "kwargs", dict, where))


def _stdio_case(case: Any, where: str) -> StdioCase:
    case = typed(case, "tests", dict, where)
    return StdioCase(field(case, "stdin", str, where), field(case, "expected", str, where))
