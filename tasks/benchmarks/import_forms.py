"""The row forms of public training sets, turned into problems. All take one row and where it stands.

A task told in prose becomes a module docstring, so that prompt + response is a program. Rows without any test raise
BadInput, like every other malformed row: a data set is cleaned by its owner, not guessed at here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.benchmarks.files import Row, field, typed
from tasks.benchmarks.problem_rows import docstring_prompt, parse_json, problem_row
from tasks.errors import BadInput
from tasks.sandbox.program import CallTests, Case, StdioCase, StdioTests, Tests

PYTHON_3 = 3  # CodeContests' language numbers: 1 Python 2, 2 C++, 3 Python 3, 4 Java
DIFFICULTIES = {
    "introductory": 0,
    "interview": 1,
    "competition": 2,
    "easy": 0,
    "medium": 1,
    "medium_hard": 2,
    "hard": 3,
    "very_hard": 4,
}


def from_apps(row: Row, where: str) -> Iterator[Row]:
    """APPS and TACO: `question`, `input_output` and `solutions` as JSON text, `starter_code`, `difficulty`."""
    question = field(row, "question", str, where)
    starter = row.get("starter_code") or ""
    solutions = parse_json(row.get("solutions") or "[]", "solutions", where)
    reference: str | None = solutions[0] if solutions else None
    given = {
        "problem_id": _identity(row, ("problem_id", "id", "name", "url"), "apps", question),
        "prompt": docstring_prompt(question + (f"\n\nStart from:\n{starter}" if starter.strip() else "")),
        "reference": reference,
        "difficulty": DIFFICULTIES.get(str(row.get("difficulty", "")).lower(), 0),
        "split": row.get("split"),
        "source": str(row.get("source") or "apps"),
        "licence": str(row.get("licence") or "unknown"),
    }
    truth = parse_json(row["input_output"], "input_output", where)
    yield problem_row(where, given, tests_of_ground_truth(truth, starter + (reference or ""), where))


def from_code_contests(row: Row, where: str) -> Iterator[Row]:
    """CodeContests: `name`, `description`, three sets of {input, output} lists, `solutions` by language."""
    cases: list[StdioCase] = []
    for name in ("public_tests", "private_tests", "generated_tests"):
        tests = row.get(name) or {"input": [], "output": []}
        inputs, outputs = field(tests, "input", list, where), field(tests, "output", list, where)
        cases += [StdioCase(stdin, expected) for stdin, expected in _pairs(inputs, outputs, where)]
    solutions = row.get("solutions") or {"language": [], "solution": []}
    in_python = [
        text
        for language, text in _pairs(solutions["language"], solutions["solution"], where)
        if language == PYTHON_3
    ]
    given = {
        "problem_id": "code_contests/" + field(row, "name", str, where),
        "prompt": docstring_prompt(field(row, "description", str, where)),
        "reference": in_python[0] if in_python else None,
        "difficulty": max(0, int(row.get("difficulty") or 0)),
        "split": row.get("split"),
        "source": "code_contests",
        "licence": "CC-BY-4.0",
    }
    yield problem_row(where, given, StdioTests(tuple(cases)))


def from_ground_truth(row: Row, where: str) -> Iterator[Row]:
    """`prompt` as chat messages and `reward_model.ground_truth` = {inputs, outputs, fn_name}, as verl and PRIME."""
    messages = field(row, "prompt", list, where)
    told = [message["content"] for message in messages if message.get("role") == "user"]
    if not told:
        raise BadInput(where, "field 'prompt' has no message of the user")
    truth = parse_json(field(row, "reward_model", dict, where).get("ground_truth"), "ground_truth", where)
    extra = row.get("extra_info") or {}
    source = str(row.get("data_source") or "ground_truth")
    given = {
        "problem_id": _identity({**row, **extra}, ("problem_id", "id", "index"), source, told[-1]),
        "prompt": docstring_prompt(told[-1]),
        "reference": None,
        "split": None,
        "source": source,
        "licence": "unknown",
    }
    yield problem_row(where, given, tests_of_ground_truth(truth, told[-1], where))


def tests_of_ground_truth(truth: Any, code: str, where: str) -> Tests:
    """{inputs, outputs} of whole programs, or with `fn_name` of a function; `code` tells whether it is a method."""
    truth = typed(truth, "inputs and outputs", dict, where)
    pairs = _pairs(field(truth, "inputs", list, where), field(truth, "outputs", list, where), where)
    name = truth.get("fn_name")
    if not name:
        return StdioTests(tuple(StdioCase(_text(stdin), _text(expected)) for stdin, expected in pairs))
    entry_point = f"Solution().{name}" if re.search(r"^\s*class\s+Solution\b", code, re.MULTILINE) else name
    if not any(isinstance(given, str) for given, _ in pairs):
        pairs = _unwrapped(pairs)
    return CallTests(entry_point, tuple(_case(given, wanted, where) for given, wanted in pairs))


def _case(given: Any, wanted: Any, where: str) -> Case:
    """Arguments as a list, or argument and result as text with one JSON value per line."""
    if not isinstance(given, str):
        return Case(tuple(typed(given, "inputs", list, where)), wanted)
    args = tuple(parse_json(line, "inputs", where) for line in given.split("\n") if line.strip())
    return Case(args, parse_json(wanted, "outputs", where))


def _unwrapped(pairs: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """APPS wraps every result of a function in a list of one."""
    if all(isinstance(wanted, list) and len(wanted) == 1 for _, wanted in pairs):
        return [(given, wanted[0]) for given, wanted in pairs]
    return pairs


def _pairs(inputs: Sequence[Any], outputs: Sequence[Any], where: str) -> list[tuple[Any, Any]]:
    if len(inputs) != len(outputs):
        raise BadInput(where, f"{len(inputs)} inputs but {len(outputs)} outputs", "one output per input")
    return list(zip(inputs, outputs, strict=True))


def _text(given: Any) -> str:
    """Standard input or output as text; some rows hold a list of lines."""
    return "\n".join(str(line) for line in given) if isinstance(given, list) else str(given)


def _identity(row: Mapping[str, Any], names: Sequence[str], prefix: str, content: str) -> str:
    """The first id the row has; else one made from its content."""
    for name in names:
        if row.get(name) not in (None, ""):
            return f"{prefix}/{row[name]}"
    return f"{prefix}/{hashlib.blake2b(content.encode(), digest_size=8).hexdigest()}"
