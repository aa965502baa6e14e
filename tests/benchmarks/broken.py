"""Single-point AST mutants of a program, as text: what a grader must catch."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator

SWAPPED = {
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Mod: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
}


def mutants(source: str) -> Iterator[str]:
    """One mutant per place: a comparison turned round, an operator swapped, a returned value replaced by None."""
    tree = ast.parse(source)
    for position, node in enumerate(ast.walk(tree)):
        change = _change(node)
        if change is not None:
            mutant = copy.deepcopy(tree)
            change(list(ast.walk(mutant))[position])
            yield ast.unparse(mutant)


def _change(node: ast.AST) -> Callable[[ast.AST], None] | None:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
        return lambda twin: twin.ops.__setitem__(0, SWAPPED[type(twin.ops[0])]())
    if isinstance(node, ast.BinOp) and type(node.op) in SWAPPED:
        return lambda twin: setattr(twin, "op", SWAPPED[type(twin.op)]())
    if isinstance(node, ast.Return) and node.value is not None:
        return lambda twin: setattr(twin, "value", ast.Constant("not this"))
    return None
