"""StepCode's operations: what a step says in English, its reference code, and plausible wrong code for it.

Every operation is total (no input makes it raise, empty lists included) and leaves its argument unchanged. An
operation occurs at most once in a problem, so that values stay small: one squaring, one multiplication.
A block of code works on `xs`; operations that reduce the list to a number come last and return it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Operation:
    """`phrase`, `right` and every block of `wrong` are templates over one entry of `arguments`."""

    name: str
    phrase: str
    right: str
    wrong: tuple[str, ...]
    arguments: tuple[Mapping[str, object], ...] = ({},)
    reduces: bool = False


def numbers(*values: int) -> tuple[Mapping[str, object], ...]:
    return tuple({"k": value, "less": value - 1, "more": value + 1} for value in values)


def each(body: str) -> str:
    """A loop over `xs` that builds `ys`; `body` is the loop's block."""
    indented = "\n".join("    " + line for line in body.split("\n"))
    return f"ys = []\nfor x in xs:\n{indented}\nxs = ys"


def branch(condition: str, then: str, otherwise: str) -> str:
    return each(f"if {condition}:\n    ys.append({then})\nelse:\n    ys.append({otherwise})")


PARITY = ({"word": "even", "r": 0, "other": 1}, {"word": "odd", "r": 1, "other": 0})
EXTREMES = (
    {"word": "smallest", "f": "min", "other": "max"},
    {"word": "largest", "f": "max", "other": "min"},
)
ORDERS = (
    {"word": "ascending", "code": "sorted(xs)", "other": "sorted(xs, reverse=True)"},
    {"word": "descending", "code": "sorted(xs, reverse=True)", "other": "sorted(xs)"},
)

FILTERS = (
    Operation(
        "keep_parity",
        "keep the {word} numbers",
        "xs = [x for x in xs if x % 2 == {r}]",
        ("xs = [x for x in xs if x % 2 == {other}]",),
        PARITY,
    ),
    Operation(
        "drop_multiples",
        "drop the multiples of {k}",
        "xs = [x for x in xs if x % {k} != 0]",
        ("xs = [x for x in xs if x % {k} == 0]", "xs = [x for x in xs if x % {more} != 0]"),
        numbers(3, 4, 5),
    ),
    Operation(
        "keep_above",
        "keep the numbers above {k}",
        "xs = [x for x in xs if x > {k}]",
        ("xs = [x for x in xs if x >= {k}]", "xs = [x for x in xs if x < {k}]"),
        numbers(-4, -1, 2, 5),
    ),
    Operation(
        "drop_repeats",
        "drop the repeated numbers",
        each("if x not in ys:\n    ys.append(x)"),
        (each("if x not in ys[-1:]:\n    ys.append(x)"), each("if xs.count(x) == 1:\n    ys.append(x)")),
    ),
    Operation(
        "stop_at",
        "stop before the first number above {k}",
        each("if x > {k}:\n    break\nys.append(x)"),
        (each("if x > {k}:\n    continue\nys.append(x)"), each("if x >= {k}:\n    break\nys.append(x)")),
        numbers(8, 11, 14),
    ),
    Operation(
        "keep_rises",
        "keep each number above the one before",
        "xs = [b for a, b in zip(xs, xs[1:]) if b > a]",
        ("xs = [b for a, b in zip(xs, xs[1:]) if b < a]", "xs = [a for a, b in zip(xs, xs[1:]) if b > a]"),
    ),
    Operation(
        "drop_extreme",
        "drop the first {word} number",
        "if xs:\n    i = xs.index({f}(xs))\n    xs = xs[:i] + xs[i + 1:]",
        (
            "if xs:\n    i = xs.index({other}(xs))\n    xs = xs[:i] + xs[i + 1:]",
            "if xs:\n    i = xs.index({f}(xs))\n    xs = xs[:i] + xs[i:]",
        ),
        EXTREMES,
    ),
)

MAPS = (
    Operation(
        "add",
        "add {k} to each number",
        "xs = [x + {k} for x in xs]",
        ("xs = [x - {k} for x in xs]", "xs = [x + {more} for x in xs]"),
        numbers(1, 2, 3, 5),
    ),
    Operation(
        "multiply",
        "multiply each number by {k}",
        "xs = [x * {k} for x in xs]",
        ("xs = [x + {k} for x in xs]", "xs = [x * {more} for x in xs]"),
        numbers(2, 3, 4, 5),
    ),
    Operation("square", "square each number", "xs = [x * x for x in xs]", ("xs = [x + x for x in xs]",)),
    Operation(
        "remainder",
        "take each number modulo {k}",
        "xs = [x % {k} for x in xs]",
        ("xs = [x // {k} for x in xs]", "xs = [x % {more} for x in xs]"),
        numbers(6, 7, 9, 11),
    ),
    Operation(
        "cap",
        "lower each number to at most {k}",
        "xs = [min(x, {k}) for x in xs]",
        ("xs = [max(x, {k}) for x in xs]", "xs = [min(x, {more}) for x in xs]"),
        numbers(4, 7, 10),
    ),
    Operation(
        "add_index",
        "add its index to each number",
        "xs = [x + i for i, x in enumerate(xs)]",
        ("xs = [x * i for i, x in enumerate(xs)]", "xs = [x - i for i, x in enumerate(xs)]"),
    ),
    Operation(
        "subtract_extreme",
        "subtract the {word} number from each",
        "m = {f}(xs, default=0)\nxs = [x - m for x in xs]",
        (
            "m = {other}(xs, default=0)\nxs = [x - m for x in xs]",
            "m = {f}(xs, default=0)\nxs = [m - x for x in xs]",
        ),
        EXTREMES,
    ),
    Operation(
        "scale_parity",
        "multiply the {word} numbers by 3",
        branch("x % 2 == {r}", "x * 3", "x"),
        (branch("x % 2 == {other}", "x * 3", "x"), branch("x % 2 == {r}", "x + 3", "x")),
        PARITY,
    ),
    Operation(
        "negate_multiples",
        "negate the multiples of {k}",
        "xs = [-x if x % {k} == 0 else x for x in xs]",
        ("xs = [-x if x % {k} != 0 else x for x in xs]", "xs = [0 if x % {k} == 0 else x for x in xs]"),
        numbers(3, 4, 5),
    ),
    Operation(
        "running_total",
        "take the running totals",
        "t = 0\n" + each("t += x\nys.append(t)"),
        ("t = 0\n" + each("ys.append(t)\nt += x"), "t = 0\n" + each("t -= x\nys.append(t)")),
    ),
    Operation(
        "running_extreme",
        "replace each number by the {word} so far",
        each("ys.append({f}(ys[-1:] + [x]))"),
        (each("ys.append({other}(ys[-1:] + [x]))"), each("ys.append({f}(ys[:1] + [x]))")),
        EXTREMES,
    ),
)

SHAPES = (
    Operation(
        "differences",
        "take the differences of neighbours",
        "xs = [b - a for a, b in zip(xs, xs[1:])]",
        ("xs = [a - b for a, b in zip(xs, xs[1:])]",),
    ),
    Operation("sort", "sort in {word} order", "xs = {code}", ("xs = {other}", "xs = xs[::-1]"), ORDERS),
    Operation("reverse", "reverse the list", "xs = xs[::-1]", ("xs = xs[:0:-1]", "xs = sorted(xs)")),
    Operation(
        "rotate",
        "rotate left by {k}",
        "xs = xs[{k}:] + xs[:{k}]",
        ("xs = xs[-{k}:] + xs[:-{k}]", "xs = xs[{k}:] + xs[:{more}]"),
        numbers(1, 2, 3),
    ),
    Operation(
        "drop_first",
        "drop the first {k}",
        "xs = xs[{k}:]",
        ("xs = xs[:-{k}]", "xs = xs[{more}:]"),
        numbers(1, 2, 3),
    ),
    Operation(
        "drop_last",
        "drop the last {k}",
        "xs = xs[:-{k}]",
        ("xs = xs[{k}:]", "xs = xs[:-{more}]"),
        numbers(1, 2, 3),
    ),
    Operation(
        "every_second",
        "keep the numbers at {word} indices",
        "xs = xs[{r}::2]",
        ("xs = xs[{other}::2]",),
        PARITY,
    ),
    Operation(
        "repeat_parity",
        "write the {word} numbers twice",
        each("ys.append(x)\nif x % 2 == {r}:\n    ys.append(x)"),
        (
            each("ys.append(x)\nif x % 2 == {other}:\n    ys.append(x)"),
            each("ys.append(x)\nif x % 2 == {r}:\n    ys.append(2)"),
        ),
        PARITY,
    ),
    Operation(
        "partition",
        "move the {word} numbers to the front",
        "a = [x for x in xs if x % 2 == {r}]\nb = [x for x in xs if x % 2 != {r}]\nxs = a + b",
        (
            "a = [x for x in xs if x % 2 == {r}]\nb = [x for x in xs if x % 2 != {r}]\nxs = b + a",
            "a = [x for x in xs if x % 2 == {r}]\nb = [x for x in xs if x % 2 == {r}]\nxs = a + b",
        ),
        PARITY,
    ),
    Operation(
        "reverse_if",
        "if the sum is {word}, reverse the list",
        "if sum(xs) % 2 == {r}:\n    xs = xs[::-1]",
        ("if sum(xs) % 2 == {other}:\n    xs = xs[::-1]", "if len(xs) % 2 == {r}:\n    xs = xs[::-1]"),
        PARITY,
    ),
)

REDUCTIONS = tuple(
    Operation(name, phrase, right, wrong, arguments, reduces=True)
    for name, phrase, right, wrong, arguments in (
        ("sum", "sum them", "return sum(xs)", ("return sum(xs[1:])", "return len(xs)"), ({},)),
        (
            "extreme",
            "return the {word}, or 0",
            "return {f}(xs, default=0)",
            ("return {other}(xs, default=0)", "return sum(xs)"),
            EXTREMES,
        ),
        (
            "count_above",
            "count the numbers above {k}",
            "return len([x for x in xs if x > {k}])",
            ("return len([x for x in xs if x >= {k}])", "return len([x for x in xs if x < {k}])"),
            numbers(0, 2, 4),
        ),
        (
            "alternating_sum",
            "add and subtract the numbers in turn",
            "t = 0\nfor i, x in enumerate(xs):\n    if i % 2 == 0:\n        t += x\n    else:\n        t -= x\nreturn t",
            (
                "t = 0\nfor i, x in enumerate(xs):\n    if i % 2 == 1:\n        t += x\n    else:\n        t -= x\nreturn t",
                "t = 0\nfor i, x in enumerate(xs):\n    if i % 2 == 0:\n        t += x\n    else:\n        t += x\nreturn t",
            ),
            ({},),
        ),
        (
            "fold",
            "fold with t * {k} + x modulo 97",
            "t = 0\nfor x in xs:\n    t = (t * {k} + x) % 97\nreturn t",
            (
                "t = 1\nfor x in xs:\n    t = (t * {k} + x) % 97\nreturn t",
                "t = 0\nfor x in xs:\n    t = (t + {k} * x) % 97\nreturn t",
            ),
            numbers(2, 3, 5),
        ),
    )
)

OPERATIONS = (*FILTERS, *MAPS, *SHAPES, *REDUCTIONS)
