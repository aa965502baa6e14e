"""Tests as text: exact both ways, the same text every time, and BadInput for anything else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tasks.errors import BadInput
from tasks.sandbox import AssertTests, CallTests, Case, StdioCase, StdioTests
from tasks.sandbox import tests_from_json as from_json
from tasks.sandbox import tests_to_json as to_json

EXAMPLES = [
    CallTests("f", (Case((1, (2, 3)), {"a": {1, 2}, "b": b"\x00"}), Case((), float("inf"), {"key": [1.5]}))),
    CallTests("Solution().solve", ()),
    AssertTests("f", ("assert f(1) == 2", "check(candidate)"), "x = 'ü\ud800'", "import math", True),
    AssertTests("f", ()),
    StdioTests((StdioCase("1\n2\r\n", "3\n"), StdioCase("", "\x00"))),
    StdioTests(()),
]


@pytest.mark.parametrize("tests", EXAMPLES)
def test_round_trip(tests) -> None:
    text = to_json(tests)
    assert from_json(text) == tests
    assert to_json(from_json(text)) == text


def test_a_tuple_stays_a_tuple() -> None:
    (case,) = from_json(to_json(CallTests("f", (Case(((1, 2), [1, 2]), (True, 1, 1.0)),)))).cases
    assert type(case.args[0]) is tuple
    assert type(case.args[1]) is list
    assert [type(value) for value in case.expected] == [bool, int, float]


def test_the_text_does_not_depend_on_the_hash_seed() -> None:
    source = (
        "from tasks.sandbox import *; "
        "print(tests_to_json(CallTests('f', (Case(({'a','b','c','dd','eee'},), frozenset('xyzw')),))))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", source],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(texts) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"form":"calls"}',
        '{"form":"other"}',
        '{"form":"stdio","cases":[["a"]]}',
        '{"form":"stdio","cases":[["a",1]]}',
        '{"form":"stdio","cases":[],"more":1}',
        '{"form":"calls","entry_point":1,"cases":[]}',
        '{"form":"calls","entry_point":"f","cases":[[[],{"bad":1},[]]]}',
        '{"form":"asserts","entry_point":"f","calls":[1],"source":"","prelude":"","beside_candidate":false}',
        '{"form":"asserts","entry_point":"f","calls":[],"source":"","prelude":"","beside_candidate":0}',
    ],
)
def test_anything_else_is_bad_input(text: str) -> None:
    with pytest.raises(BadInput):
        from_json(text)


def test_values_without_an_encoding_are_bad_input() -> None:
    with pytest.raises(BadInput, match="object"):
        to_json(CallTests("f", (Case((object(),), 1),)))
