"""Tests as JSON text, kept in rows: exact both ways, and the same tests always give the same text."""

from __future__ import annotations

from typing import Any

from tasks.errors import BadInput
from tasks.sandbox import codec
from tasks.sandbox.program import AssertTests, CallTests, Case, StdioCase, StdioTests, Tests


def tests_to_json(tests: Tests) -> str:
    """The text of `tests`. Raises BadInput when a value in them has no encoding."""
    try:
        return codec.to_text(tests_to_tree(tests))
    except codec.Unsendable as error:
        raise BadInput("tests", str(error), "builtin values, see tasks/sandbox/codec.py") from error


def tests_to_tree(tests: Tests) -> dict[str, Any]:
    if isinstance(tests, CallTests):
        cases = [_case_to_tree(case) for case in tests.cases]
        return {"form": "calls", "entry_point": tests.entry_point, "cases": cases}
    if isinstance(tests, AssertTests):
        return {
            "form": "asserts",
            "entry_point": tests.entry_point,
            "calls": list(tests.calls),
            "source": tests.source,
            "prelude": tests.prelude,
            "beside_candidate": tests.beside_candidate,
        }
    if isinstance(tests, StdioTests):
        return {"form": "stdio", "cases": [[case.stdin, case.expected] for case in tests.cases]}
    raise BadInput("tests", f"is a {type(tests).__name__}", "CallTests, AssertTests or StdioTests")


def _case_to_tree(case: Case) -> list[Any]:
    return [
        [codec.encode(value) for value in case.args],
        codec.encode(case.expected),
        [[name, codec.encode(value)] for name, value in case.kwargs.items()],
    ]


def tests_from_json(text: str) -> Tests:
    """The tests whose text `text` is. Raises BadInput for anything else."""
    try:
        return _from_tree(codec.parse(text))
    except codec.Malformed as error:
        raise BadInput("tests", str(error), "JSON written by tests_to_json") from error


def _from_tree(tree: Any) -> Tests:
    form = tree.get("form") if type(tree) is dict else None
    if form == "calls":
        _keys(tree, {"form", "entry_point", "cases"})
        cases = tuple(_case_from_tree(case) for case in _typed(tree["cases"], list))
        return CallTests(_typed(tree["entry_point"], str), cases)
    if form == "asserts":
        _keys(tree, {"form", "entry_point", "calls", "source", "prelude", "beside_candidate"})
        return AssertTests(
            _typed(tree["entry_point"], str),
            tuple(_typed(call, str) for call in _typed(tree["calls"], list)),
            _typed(tree["source"], str),
            _typed(tree["prelude"], str),
            _typed(tree["beside_candidate"], bool),
        )
    if form == "stdio":
        _keys(tree, {"form", "cases"})
        pairs = [_parts(case, 2) for case in _typed(tree["cases"], list)]
        return StdioTests(tuple(StdioCase(_typed(given, str), _typed(due, str)) for given, due in pairs))
    raise codec.Malformed("'form' must be 'calls', 'asserts' or 'stdio'")


def _case_from_tree(tree: Any) -> Case:
    args, expected, kwargs = _parts(tree, 3)
    named = [_parts(pair, 2) for pair in _typed(kwargs, list)]
    return Case(
        tuple(codec.decode(value) for value in _typed(args, list)),
        codec.decode(expected),
        {_typed(name, str): codec.decode(value) for name, value in named},
    )


def _keys(tree: dict[str, Any], expected: set[str]) -> None:
    if set(tree) != expected:
        raise codec.Malformed(f"keys must be {sorted(expected)}")


def _parts(tree: Any, count: int) -> list[Any]:
    if type(tree) is not list or len(tree) != count:
        raise codec.Malformed(f"expected a list of {count}")
    return tree


def _typed(tree: Any, kind: type) -> Any:
    if type(tree) is not kind:
        raise codec.Malformed(f"expected {kind.__name__}, found {type(tree).__name__}")
    return tree
