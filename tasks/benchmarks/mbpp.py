"""MBPP (Austin et al. 2021): 974 small functions described in one sentence, three asserts each.

Rows `{task_id, text, code, test_list, test_setup_code}`; the sanitised set calls the sentence `prompt` and has
`test_imports`. Official splits by task id: 1-10 few-shot examples, 11-510 test, 511-600 validation, 601-974 train.
`test_setup_code` runs after the candidate; where the tests need more of the candidate than its one function (its
classes), they run beside it.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tasks.benchmarks.benchmark import Protocol
from tasks.benchmarks.extraction import normalise
from tasks.benchmarks.files import Row, field, read_objects, reading_row, typed
from tasks.benchmarks.problem_rows import problem_row
from tasks.errors import BadInput
from tasks.problems import Problem
from tasks.sandbox.program import AssertTests, Program, Tests

NAME = "mbpp"
CPU_SECONDS = 15.0  # the reference of 123 needs several seconds, more on a busy machine
FEW_SHOT, TEST, VALIDATION, TRAIN = range(1, 11), range(11, 511), range(511, 601), range(601, 975)
SHOTS = (2, 3, 4)
TRAIN_COPIES_OF_TEST = (602, 704, 872)
"""Training problems whose text is that of a test problem (217, 248, 216)."""

TASK = "You are an expert Python programmer, and here is your task: {text} Your code should pass these tests:\n\n{tests}\n"
CHAT_REQUEST = (
    "{text}\nThe code must pass these tests:\n```python\n{tests}\n```\nAnswer with one fenced code block.\n"
)
PROTOCOLS = {
    "docstring": Protocol("docstring", stop=("\nclass ", "\nassert ", '\n"""', "\nprint", "\nif ", "\n<|/")),
    "chat": Protocol("chat", extraction="fenced"),
}


THREE_SHOT = Protocol("three_shot", stop=("[DONE]",))
"""The protocol of the MBPP paper; its preamble is `examples` of the file at hand."""


def three_shot(*paths: Path) -> Protocol:
    """`THREE_SHOT` with its preamble: problems 2, 3 and 4 with their solutions stand before the task."""
    return replace(THREE_SHOT, preamble=examples(*paths))


def examples(*paths: Path) -> str:
    """The three solved problems before the task. Raises BadInput when no file holds them."""
    shots = {problem.problem_id: problem for path in paths for problem in _all_problems(path)}
    missing = [number for number in SHOTS if f"mbpp/{number}" not in shots]
    if missing:
        raise BadInput(
            ", ".join(map(str, paths)),
            f"has no problems {missing}",
            "the full MBPP file, for the three-shot protocol",
        )
    chosen = [shots[f"mbpp/{number}"] for number in SHOTS]
    return "".join(f"{_task(shot)}[BEGIN]\n{shot.reference}\n[DONE]\n\n" for shot in chosen)


def problems(path: Path) -> Iterator[Problem]:
    """Every problem but the few-shot examples; raises BadInput, naming file and line, for a malformed row."""
    return (problem for problem in _all_problems(path) if _number(problem) not in FEW_SHOT)


def training_rows(row: Row, where: str) -> Iterator[Row]:
    """The row as a PROBLEMS row, unless it is a few-shot example or a training copy of a test problem."""
    if field(row, "task_id", int, where) not in (*FEW_SHOT, *TRAIN_COPIES_OF_TEST):
        yield _row(row, where)


def prompt(problem: Problem, protocol: Protocol) -> str:
    if protocol.extraction == "fenced":
        return CHAT_REQUEST.format(text=_text(problem), tests="\n".join(_asserts(problem)))
    if protocol.preamble:
        return f"{protocol.preamble}{_task(problem)}[BEGIN]\n"
    return problem.prompt


def program(problem: Problem, response: str, protocol: Protocol) -> Program:
    """The response is the whole program: no MBPP prompt is part of it."""
    return Program(protocol.code(response, problem.entry_point), tests(problem))


def tests(problem: Problem) -> Tests:
    return problem.decoded_tests


def _all_problems(path: Path) -> Iterator[Problem]:
    for where, row in read_objects(path):
        with reading_row(where):
            problem = Problem(**_row(row, where))
        yield problem


def _row(row: Row, where: str) -> Row:
    number = field(row, "task_id", int, where)
    text = typed(row.get("text", row.get("prompt")), "text", str, where)
    code = normalise(field(row, "code", str, where))
    asserts = tuple(
        normalise(typed(one, "test_list", str, where)).strip() for one in field(row, "test_list", list, where)
    )
    imports = [typed(one, "test_imports", str, where) for one in row.get("test_imports") or []]
    setup = normalise("\n".join([*imports, row.get("test_setup_code") or ""])).strip()
    entry_point = _entry_point(code, asserts, where)
    wanted = _names_wanted(_parse("\n".join([setup, *asserts]), where))
    beside = bool(wanted - {entry_point}) or _passes_builtins(asserts, entry_point)
    given = {
        "problem_id": f"mbpp/{number}",
        "prompt": f'"""\n{text}\n{asserts[0] if asserts else ""}\n"""\n',
        "reference": code,
        "split": _split(number, where),
        "source": NAME,
        "licence": "CC-BY-4.0",
    }
    return problem_row(where, given, AssertTests(entry_point, asserts, source=setup, beside_candidate=beside))


def _split(number: int, where: str) -> str:
    for name, numbers in (("test", TEST), ("validation", VALIDATION), ("train", TRAIN), ("train", FEW_SHOT)):
        if number in numbers:
            return name
    raise BadInput(where, f"field 'task_id' is {number}", "1 to 974")


def _entry_point(code: str, asserts: Sequence[str], where: str) -> str:
    """The function that the first assert calls and the reference defines."""
    defined = {node.name for node in ast.walk(_parse(code, where)) if isinstance(node, ast.FunctionDef)}
    for test in asserts:
        for node in ast.walk(_parse(test, where)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in defined:
                return node.func.id
    raise BadInput(
        where, "no assert in 'test_list' calls a function that 'code' defines", "asserts that call it"
    )


def _names_wanted(tree: ast.Module) -> set[str]:
    """Names the tests take from the candidate: read, but neither built in nor bound by the tests themselves."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    bound = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    bound |= {
        (alias.asname or alias.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    return {node.id for node in names if isinstance(node.ctx, ast.Load)} - bound - set(dir(builtins))


def _passes_builtins(asserts: Sequence[str], entry_point: str) -> bool:
    """Whether a test hands a type or function to the candidate: such a thing is no data and cannot cross."""
    calls = [node for test in asserts for node in ast.walk(ast.parse(test)) if isinstance(node, ast.Call)]
    own = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == entry_point]
    given = [argument for call in own for argument in (*call.args, *(word.value for word in call.keywords))]
    return any(isinstance(one, ast.Name) and one.id in dir(builtins) for one in given)


def _parse(code: str, where: str) -> ast.Module:
    try:
        return ast.parse(code)
    except SyntaxError as error:
        raise BadInput(where, f"is not Python: {error}", "Python 3 code and asserts") from error


def _number(problem: Problem) -> int:
    return int(problem.problem_id.removeprefix("mbpp/"))


def _asserts(problem: Problem) -> tuple[str, ...]:
    decided = problem.decoded_tests
    assert isinstance(decided, AssertTests)
    return decided.calls


def _text(problem: Problem) -> str:
    """The sentence, out of the docstring prompt."""
    return problem.prompt.removeprefix('"""\n').removesuffix(f'\n{_asserts(problem)[0]}\n"""\n')


def _task(problem: Problem) -> str:
    return TASK.format(text=_text(problem), tests="\n".join(_asserts(problem)))
