"""When a result is right. Both sides are exact builtins here."""

from __future__ import annotations

from decimal import Decimal, DecimalException
from typing import Any

from tasks.sandbox import codec


def same_value(value: Any, expected: Any, method: bool = False) -> bool:
    """Python's `==`; nan is also right where nan is expected.

    `method`: the entry point is a method as on LeetCode, where a tuple counts as a list (LiveCodeBench's rule).
    """
    if method and type(value) is tuple:
        value = list(value)
    try:
        return bool(value == expected) or _same_text(value, expected)
    except (ArithmeticError, RecursionError):
        return False


def _same_text(value: Any, expected: Any) -> bool:
    try:
        due = codec.dumps(expected)
        return "nan" in due and codec.dumps(value) == due
    except codec.Unsendable:
        return False


def same_output(text: str, expected: str) -> bool:
    """Lines equal after stripping, or equal as rows of decimals (LiveCodeBench's rule for standard output)."""
    lines, due = _stripped(text), _stripped(expected)
    return len(lines) == len(due) and all(
        line == wanted or _same_decimals(line, wanted) for line, wanted in zip(lines, due, strict=True)
    )


def _stripped(text: str) -> list[str]:
    return [line.strip() for line in text.strip().split("\n")]


def _same_decimals(line: str, wanted: str) -> bool:
    try:
        return [Decimal(word) for word in line.split()] == [Decimal(word) for word in wanted.split()]
    except DecimalException:
        return False
