"""Labels from edited reference solutions (PRLCoder, 2502.01715): a second source beside the search.

One line of a reference solution is edited, put back, and the program is run. If it still passes, the line is recoverable
(+1), else it is not (-1), whatever the edit was meant to do; the lines before it are the reference's own, so they are +1.
PRLCoder's editor is a teacher model; ours is a set of rules on Python's syntax tree and needs no teacher:

    mutation      meant to break       operator swap, off by one, wrong variable, negated condition, dropped statement
    refactoring   meant to preserve    renamed loop variable, reordered statements, mirrored comparison or sum, spelled-out
                                       augmented assignment

Edits are textual: a node of the tree that lies within one line is replaced, the rest of the program stays as it is.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from tasks.method.lines import neutral_lines, split_lines

Kind = Literal["mutation", "refactoring"]
Rule = Callable[[ast.AST, frozenset[str]], Iterator[str]]
"""From a node and the names known in the program to texts that may replace it."""


@dataclass(frozen=True)
class Edit:
    """The response after an edit of its 1-based `line`."""

    kind: Kind
    rule: str
    line: int
    text: str


def draw_edits(prompt: str, response: str, count: int, stream: str) -> list[Edit]:
    """Up to `count` edits, mutations and refactorings by turns, spread over rules and lines; `stream` seeds the draw."""
    rng = random.Random(stream)
    waiting = {kind: [edit for edit in all_edits(prompt, response) if edit.kind == kind] for kind in _KINDS}
    drawn: list[Edit] = []
    while len(drawn) < count and any(waiting.values()):
        for kind in _KINDS:
            if waiting[kind] and len(drawn) < count:
                drawn.append(_draw(waiting[kind], drawn, rng))
    return drawn


def all_edits(prompt: str, response: str) -> list[Edit]:
    """Every edit the rules know, distinct texts only. None if the program does not parse."""
    source = prompt + response
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return []
    first = prompt.count("\n") + 1
    names = frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)) | _arguments(tree)
    found = [
        Edit(kind, name, row - first + 1, text)
        for kind, rules in _RULES.items()
        for name, rule in rules.items()
        for row, text in _applied(rule, tree, source, len(prompt), first, names)
    ]
    found += [
        Edit("refactoring", "reordered statements", line, text) for line, text in _reordered(prompt, response)
    ]
    distinct = {edit.text: edit for edit in reversed(found) if edit.text != response}
    return sorted(distinct.values(), key=lambda edit: (edit.line, edit.kind, edit.rule, edit.text))


def edit_rows(
    edit: Edit, response_id: str, problem_id: str, prompt: str, passed: bool
) -> list[dict[str, Any]]:
    """Rows of `tasks.rows.LABELS` for the lines up to the edited one; neutral lines are 0."""
    lines = len(split_lines(edit.text))
    neutral = neutral_lines(prompt, edit.text)
    return [
        {
            "response_id": response_id,
            "problem_id": problem_id,
            "line": line,
            "lines": lines,
            "label": 0 if neutral[line - 1] else (1 if line < edit.line or passed else -1),
            "passes": int(passed) if line == edit.line else None,
            "attempts": 1 if line == edit.line else None,
            "source": "mutation",
        }
        for line in range(1, edit.line + 1)
    ]


def _draw(waiting: list[Edit], drawn: list[Edit], rng: random.Random) -> Edit:
    """One of those whose rule and line were drawn least; removed from `waiting`."""
    rules, lines = [edit.rule for edit in drawn], [edit.line for edit in drawn]
    rng.shuffle(waiting)
    chosen = min(waiting, key=lambda edit: (lines.count(edit.line), rules.count(edit.rule)))
    waiting.remove(chosen)
    return chosen


def _applied(
    rule: Rule, tree: ast.AST, source: str, start: int, first: int, names: frozenset[str]
) -> Iterator[tuple[int, str]]:
    """Row and the response's text for every replacement of a node that lies within one row of the response."""
    rows = source.encode().split(b"\n")
    for node in ast.walk(tree):
        row = getattr(node, "lineno", 0)
        if row < first or getattr(node, "end_lineno", 0) != row:
            continue
        line = rows[row - 1]
        for text in rule(node, names):
            changed = line[: node.col_offset] + text.encode() + line[node.end_col_offset :]  # type: ignore[attr-defined]
            edited = b"\n".join([*rows[: row - 1], changed, *rows[row:]]).decode()
            if edited.startswith(source[:start]):
                yield row, edited[start:]


def _reordered(prompt: str, response: str) -> Iterator[tuple[int, str]]:
    """Neighbouring statements of one line each, swapped."""
    first = prompt.count("\n") + 1
    lines = split_lines(response)
    for node in ast.walk(ast.parse(prompt + response)):
        for one, other in pairwise(
            getattr(node, "body", None) or [] if not isinstance(node, ast.Lambda | ast.IfExp) else []
        ):
            index = one.lineno - first
            simple = isinstance(one, _SIMPLE) and isinstance(other, _SIMPLE)
            if (
                simple
                and index >= 0
                and one.end_lineno == one.lineno == other.lineno - 1 == other.end_lineno - 1
            ):
                yield (
                    index + 1,
                    "".join([*lines[:index], lines[index + 1], lines[index], *lines[index + 2 :]]),
                )


def _arguments(tree: ast.AST) -> frozenset[str]:
    return frozenset(node.arg for node in ast.walk(tree) if isinstance(node, ast.arg))


def _swapped_operator(node: ast.AST, _: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for operator in _COMPARISONS.get(type(node.ops[0]), ()):
            yield ast.unparse(ast.Compare(node.left, [operator()], node.comparators))
    if isinstance(node, ast.BinOp):
        for other in _ARITHMETIC.get(type(node.op), ()):
            yield f"({ast.unparse(ast.BinOp(node.left, other(), node.right))})"
    if isinstance(node, ast.BoolOp):
        yield f"({ast.unparse(ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))})"
    if isinstance(node, ast.AugAssign):
        for other in _ARITHMETIC.get(type(node.op), ()):
            yield ast.unparse(ast.AugAssign(node.target, other(), node.value))


def _off_by_one(node: ast.AST, _: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield str(node.value + 1)
        yield str(node.value - 1) if node.value else "(-1)"
    if isinstance(node, ast.Slice) and node.lower is None and node.upper is not None and node.step is None:
        yield f"{ast.unparse(node.upper)}:"


def _wrong_variable(node: ast.AST, names: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield from sorted(names - {node.id})


def _swapped_function(node: ast.AST, _: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in _FUNCTIONS:
        yield _FUNCTIONS[node.id]


def _negated_condition(node: ast.AST, _: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.Compare | ast.BoolOp) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    ):
        yield f"(not ({ast.unparse(node)}))"


def _dropped_statement(node: ast.AST, _: frozenset[str]) -> Iterator[str]:
    if isinstance(node, _SIMPLE):
        yield "pass"


def _renamed_loop_variable(node: ast.AST, names: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp) and len(node.generators) == 1:
        target = node.generators[0].target
        if isinstance(target, ast.Name):
            for new in _FRESH_NAMES:
                if new not in names:
                    yield ast.unparse(
                        _Renamed(target.id, new).visit(ast.parse(ast.unparse(node), mode="eval"))
                    )


def _mirrored(node: ast.AST, _: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _MIRRORED:
        mirrored = _MIRRORED[type(node.ops[0])]()
        yield ast.unparse(ast.Compare(node.comparators[0], [mirrored], [node.left]))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mult):
        yield f"({ast.unparse(ast.BinOp(node.right, node.op, node.left))})"


def _spelled_out(node: ast.AST, _: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        name = node.target.id
        yield f"{name} = {ast.unparse(ast.BinOp(ast.Name(name, ast.Load()), node.op, node.value))}"
    if isinstance(node, ast.Return) and node.value is not None:
        yield f"return ({ast.unparse(node.value)})"


class _Renamed(ast.NodeTransformer):
    def __init__(self, old: str, new: str) -> None:
        self.old, self.new = old, new

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self.new if node.id == self.old else node.id, node.ctx)


_KINDS: tuple[Kind, ...] = ("mutation", "refactoring")
_SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr)
_FRESH_NAMES = ("item", "element", "value")
_FUNCTIONS = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "sum": "len",
    "len": "sum",
    "sorted": "list",
}
_COMPARISONS: dict[type, tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_ARITHMETIC: dict[type, tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add, ast.FloorDiv),
    ast.FloorDiv: (ast.Mult, ast.Mod),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
}
_MIRRORED: dict[type, type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.Gt: ast.Lt,
    ast.LtE: ast.GtE,
    ast.GtE: ast.LtE,
    ast.Eq: ast.Eq,
    ast.NotEq: ast.NotEq,
}
_RULES: dict[Kind, dict[str, Rule]] = {
    "mutation": {
        "operator swap": _swapped_operator,
        "off by one": _off_by_one,
        "wrong variable": _wrong_variable,
        "wrong function": _swapped_function,
        "negated condition": _negated_condition,
        "dropped statement": _dropped_statement,
    },
    "refactoring": {
        "renamed loop variable": _renamed_loop_variable,
        "mirrored operands": _mirrored,
        "spelled out": _spelled_out,
    },
}
