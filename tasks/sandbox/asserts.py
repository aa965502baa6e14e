"""Assert-style tests, run here in the examiner; the candidate's function is a stub that calls across.

Second mode (`beside_candidate`): the tests need the candidate's classes, so their setup runs in the candidate's
process. Even then what is expected stays here wherever an assert is `expression == literal`: the expression is
evaluated over there, its value comes back as data and is compared here.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import random
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType
from typing import Any

from tasks.sandbox import codec
from tasks.sandbox.budget import TestsOverran, budget
from tasks.sandbox.candidate import Candidate, Gone, NotLoaded
from tasks.sandbox.compare import same_value
from tasks.sandbox.detail import show
from tasks.sandbox.finding import Finding, of_raised
from tasks.sandbox.program import AssertTests, Limits


def findings(candidate: Candidate, tests: AssertTests, limits: Limits) -> Iterator[Finding | None]:
    """One finding per call of `tests`; None when it passed. Raises Gone."""
    if tests.beside_candidate:
        return _beside(candidate, tests, limits)
    return _apart(candidate, tests, limits)


# ---- apart


class Stub:
    """The candidate's function as the tests see it."""

    def __init__(self, candidate: Candidate, entry_point: str) -> None:
        self._candidate, self._entry_point = candidate, entry_point
        self.raised: tuple[BaseException, Finding] | None = None
        self.gone = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.gone:
            raise Gone
        request = {
            "call": self._entry_point,
            "args": codec.encode(list(args)),
            "kwargs": codec.encode(kwargs),
        }
        try:
            self._candidate.send(request)
            reply = self._candidate.answer()
        except Gone:
            self.gone = True
            raise
        if "value" in reply:
            return codec.decode(reply["value"])
        raise self._exception(reply)

    def _exception(self, reply: dict[str, Any]) -> BaseException:
        """An exception of the builtin class nearest to the candidate's."""
        if "raised" not in reply:
            error: BaseException = TypeError(str(reply.get("unsendable", "no value came back"))[:500])
            finding = Finding("error", f"returned something else: {error}")
        else:
            finding = of_raised(reply)
            error = _nearest_builtin(reply["raised"], str(reply.get("text"))[:500])
        self.raised = (error, finding)
        return error


# Raised through a `map` or an iterator of the tests' own these would end it as if there were nothing left to test;
# Python itself turns them into RuntimeError where they leave a generator.
_ENDS_LOOPS = (StopIteration, StopAsyncIteration)


def _nearest_builtin(names: Any, text: str) -> Exception:
    for name in names if type(names) is list else ():
        kind = getattr(builtins, name, None) if type(name) is str else None
        if kind in _ENDS_LOOPS:
            break
        if isinstance(kind, type) and issubclass(kind, Exception):
            with contextlib.suppress(TypeError):  # some cannot be made from a text alone
                return kind(text)
    return RuntimeError(text)


@lru_cache(maxsize=512)
def _compiled(source: str) -> CodeType:
    return compile(source, "<tests>", "exec", dont_inherit=True)


def _apart(candidate: Candidate, tests: AssertTests, limits: Limits) -> Iterator[Finding | None]:
    random.seed(0)  # tests that draw inputs draw the same ones every time
    stub = Stub(candidate, tests.entry_point)
    names: dict[str, Any] = {"__name__": "tests", "__builtins__": builtins}
    try:
        with budget(limits.cpu_seconds):
            exec(_compiled(tests.prelude), names)  # noqa: S102
            names[tests.entry_point.partition("(")[0]] = names["candidate"] = stub
            exec(_compiled(tests.source), names)  # noqa: S102
    except (Gone, NotLoaded, TestsOverran):
        raise
    except BaseException as error:
        yield Finding("no_verdict", f"the tests do not load: {type(error).__name__}: {error}", final=True)
        return
    for call in tests.calls:
        finding = _run_call(call, names, stub, limits)
        candidate.loaded()
        yield finding


def _run_call(call: str, names: dict[str, Any], stub: Stub, limits: Limits) -> Finding | None:
    """Run one test statement."""
    stub.raised = None
    try:
        with budget(limits.cpu_seconds):
            exec(_compiled(call), names)  # noqa: S102
    except (Gone, NotLoaded, TestsOverran):
        raise
    except codec.Unsendable as error:
        detail = f"the tests pass what cannot cross ({error}): they need beside_candidate"
        return Finding("no_verdict", detail, final=True)
    except codec.Malformed as error:
        return Finding("error", f"its answer is no value: {error}")
    except BaseException as error:
        if stub.raised is not None and stub.raised[0] is error:
            return stub.raised[1]
        return Finding("failed", _failure(call, error))
    if stub.gone:
        raise Gone
    return None


def _failure(call: str, error: BaseException) -> str:
    """The statement that failed; the innermost line of the tests when it is in a function of theirs."""
    text = show(str(error)) if str(error) else ""
    kind = type(error).__name__
    return f"{call.strip()}: {kind} {text}".rstrip()


# ---- beside


def _beside(candidate: Candidate, tests: AssertTests, limits: Limits) -> Iterator[Finding | None]:
    setup = "\n".join(part for part in (tests.prelude, tests.source) if part)
    if setup:
        reply = _ask(candidate, {"execute": setup})
        if "raised" in reply:
            yield Finding("error", f"setup of the tests: {of_raised(reply).detail}", final=True)
            return
    for call in tests.calls:
        yield _judge_beside(candidate, call, limits)


def _ask(candidate: Candidate, request: dict[str, Any]) -> dict[str, Any]:
    candidate.send(request)
    return candidate.answer()


def _judge_beside(candidate: Candidate, call: str, limits: Limits) -> Finding | None:
    split = _split(call)
    reply = _ask(candidate, {"evaluate": split[0]} if split else {"execute": call})
    with budget(limits.cpu_seconds):
        return _judge_reply(reply, call, split)


def _judge_reply(reply: dict[str, Any], call: str, split: tuple[str, Any] | None) -> Finding | None:
    if "raised" in reply:
        names = reply["raised"]
        finding = of_raised(reply)
        failed = type(names) is list and names[:1] == ["AssertionError"]
        return Finding("failed", call.strip()) if failed else finding
    try:
        value = codec.decode(reply["value"]) if "value" in reply else reply
    except codec.Malformed as error:
        return Finding("error", f"its answer is no value: {error}")
    right = value is None if split is None else "value" in reply and same_value(value, split[1])
    return None if right else Finding("failed", f"{call.strip()}: {show(value)}")


@lru_cache(maxsize=512)
def _split(call: str) -> tuple[str, Any] | None:
    """(expression, expected value) of an assert that one equals the other, either way round; None for any other."""
    try:
        (statement,) = ast.parse(call.strip()).body
        comparison = statement.test  # type: ignore[attr-defined]
        (operator,), sides = comparison.ops, (comparison.left, *comparison.comparators)
    except (SyntaxError, ValueError, AttributeError):
        return None
    if not isinstance(statement, ast.Assert) or not isinstance(operator, ast.Eq | ast.Is):
        return None
    for expression, literal in (sides, reversed(sides)):
        with contextlib.suppress(ValueError, TypeError):
            return ast.unparse(expression), ast.literal_eval(literal)
    return None
