"""LiveCodeBench, code generation (Jain et al. 2024): contest problems with dates, functional or over stdin/stdout.

Rows `{question_id, question_content, starter_code, metadata, difficulty, contest_date, public_test_cases,
private_test_cases}`, or with all tests in `tests`. Private tests are base64 of zlib of a pickled JSON text; the
pickle is never loaded: `text_of_pickle` reads the few instructions that make one string and refuses every other.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from tasks.benchmarks.benchmark import Protocol
from tasks.benchmarks.files import Row, field, read_objects, reading_row, typed
from tasks.benchmarks.problem_rows import docstring_prompt, parse_json, problem_row
from tasks.errors import BadInput
from tasks.problems import Problem
from tasks.sandbox.program import CallTests, Case, Program, StdioCase, StdioTests, Tests

NAME = "livecodebench"
CPU_SECONDS = 6.0
RELEASES = {"v1": 400, "v2": 511, "v3": 612, "v4": 713, "v5": 880, "v6": 1055}
"""How many problems each release holds; releases are cumulative date windows."""
DIFFICULTIES = {"easy": 0, "medium": 1, "hard": 2}
LARGEST_TESTS = 2**30  # bytes of one problem's decoded tests
CONTEST_IMPORTS = (
    "from typing import *\nfrom collections import *\nfrom functools import *\nfrom itertools import *\n"
    "from heapq import *\nfrom bisect import *\nfrom math import *\nimport bisect, collections, copy, datetime, functools\n"
    "import heapq, itertools, math, operator, random, re, string, sys\n"
)
"""What contest sites import for a program; every program is run with it."""
STDIN_REQUEST = (
    "Read from standard input, write to standard output. Answer with one fenced Python code block.\n"
)
STARTER_REQUEST = (
    "Start from this code and answer with one fenced Python code block.\n```python\n{starter}\n```\n"
)
PROTOCOLS = {"chat": Protocol("chat", extraction="fenced"), "base": Protocol("base")}


def problems(path: Path) -> Iterator[Problem]:
    """Raises BadInput for a malformed row."""
    return (problem for _, problem in dated_problems(path))


def dated_problems(
    path: Path, start: date | None = None, end: date | None = None
) -> Iterator[tuple[str, Problem]]:
    """`(contest date, problem)` for the problems with a contest date in start..end (both included).

    A window needs dates: a row without one is then refused, like every malformed row (BadInput).
    """
    for where, row in read_objects(path):
        if (start is None and end is None) or _in_window(row, start, end, where):
            with reading_row(where):
                problem = Problem(**_row(row, where))
            yield _date(row), problem


def window(path: Path) -> str:
    """`window_of` the problems of a file."""
    return window_of([_date(row) for _, row in read_objects(path)])


def window_of(dates: Sequence[str]) -> str:
    """First and last contest date and number of problems, and the release with that many; printed with the score."""
    release = next((name for name, count in RELEASES.items() if count == len(dates)), "no release")
    first, last = min(dates, default=""), max(dates, default="")
    return f"{first or 'undated'}..{last or 'undated'}, {len(dates)} problems ({release})"


def prompt(problem: Problem, protocol: Protocol) -> str:
    if protocol.extraction != "fenced":
        return problem.prompt
    question, _, starter = (
        problem.prompt.removeprefix('r"""\n').removesuffix('\n"""\n').partition("\n\nStart from:\n")
    )
    return f"{question}\n\n" + (STARTER_REQUEST.format(starter=starter) if starter else STDIN_REQUEST)


def program(problem: Problem, response: str, protocol: Protocol) -> Program:
    """The response is the whole program, run with the imports of contest sites."""
    return Program(CONTEST_IMPORTS + protocol.code(response, problem.entry_point), tests(problem))


def tests(problem: Problem) -> Tests:
    return problem.decoded_tests


def text_of_pickle(data: bytes) -> str:
    """The one string in a pickle that holds nothing else; no instruction is executed, every other one is refused."""
    text: str | None = None
    position = 0
    while position < len(data):
        instruction, position = data[position : position + 1], position + 1
        if instruction in _SKIPPED:
            position += _SKIPPED[instruction]
        elif instruction in _STRING_LENGTH and text is None:
            start = position + _STRING_LENGTH[instruction]
            position = start + int.from_bytes(data[start - _STRING_LENGTH[instruction] : start], "little")
            text = data[start:position].decode("utf-8")
        elif instruction == b"." and text is not None and position == len(data):
            return text
        else:
            raise ValueError(
                f"instruction {instruction!r} at byte {position - 1} is not part of a plain string"
            )
    raise ValueError("ends early")


_SKIPPED = {b"\x80": 1, b"\x95": 8, b"\x94": 0, b"q": 1, b"r": 4}  # protocol, frame, memoize (three forms)
_STRING_LENGTH = {b"\x8c": 1, b"X": 4, b"\x8d": 8}  # unicode strings, by the bytes of their length


def _row(row: Row, where: str) -> Row:
    starter = row.get("starter_code") or ""
    question = field(row, "question_content", str, where)
    metadata = typed(parse_json(row.get("metadata") or {}, "metadata", where), "metadata", dict, where)
    given = {
        "problem_id": str(row.get("question_id") or field(row, "question_id", str, where)),
        "prompt": docstring_prompt(question + (f"\n\nStart from:\n{starter}" if starter.strip() else "")),
        "difficulty": DIFFICULTIES.get(str(row.get("difficulty")), 0),
        "split": "test",
        "source": NAME,
        "licence": "contest sites",
    }
    return problem_row(where, given, _tests(_cases(row, where), metadata.get("func_name"), where))


def _tests(cases: list[dict[str, Any]], function: str | None, where: str) -> Tests:
    functional = [case.get("testtype") == "functional" for case in cases]
    if any(functional) and not all(functional):
        raise BadInput(where, "the problem mixes functional and stdin tests")
    if not any(functional):
        return StdioTests(
            tuple(StdioCase(field(c, "input", str, where), field(c, "output", str, where)) for c in cases)
        )
    if not function:
        raise BadInput(where, "functional tests without 'metadata.func_name'")
    return CallTests(f"Solution().{function}", tuple(_case(case, where) for case in cases))


def _case(case: dict[str, Any], where: str) -> Case:
    lines = [line for line in field(case, "input", str, where).split("\n") if line.strip()]
    args = tuple(parse_json(line, "input", where) for line in lines)
    return Case(args, parse_json(field(case, "output", str, where), "output", where))


def _cases(row: Row, where: str) -> list[dict[str, Any]]:
    if "tests" in row:
        return [typed(case, "tests", dict, where) for case in field(row, "tests", list, where)]
    public = parse_json(row.get("public_test_cases"), "public_test_cases", where)
    private = _private_cases(field(row, "private_test_cases", str, where), where)
    return [typed(case, "test cases", dict, where) for case in [*(public or []), *private]]


def _private_cases(text: str, where: str) -> list[Any]:
    if text.lstrip().startswith("["):  # older files keep them as plain JSON
        return list(parse_json(text, "private_test_cases", where))
    try:
        unpacker = zlib.decompressobj()
        packed = unpacker.decompress(base64.b64decode(text, validate=True), LARGEST_TESTS)
        if not unpacker.eof:
            raise ValueError(f"is cut short or larger than {LARGEST_TESTS >> 20} MiB")
        return list(parse_json(text_of_pickle(packed), "private_test_cases", where))
    except (binascii.Error, zlib.error, ValueError) as error:
        raise BadInput(
            where, f"field 'private_test_cases': {error}", "base64 of zlib of one pickled string"
        ) from error


def _date(row: Row) -> str:
    return str(row.get("contest_date", ""))[:10]


def _in_window(row: Row, start: date | None, end: date | None, where: str) -> bool:
    text = field(row, "contest_date", str, where)
    try:
        held = date.fromisoformat(text[:10])
    except ValueError as error:
        raise BadInput(where, f"field 'contest_date' is {text!r}", "YYYY-MM-DD") from error
    return (start or date.min) <= held <= (end or date.max)
