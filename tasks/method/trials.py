"""Completions of prefixes and what the sandbox says of them: the evidence behind every label.

A trial continues a prefix of a response to a whole response and judges it. The caller brings two things: a completer
(the language model, or a script in tests) and a judge (the sandbox, or a script). Programs are handed to the judge as
soon as they are generated, and a program that was judged before is not judged again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from tasks.errors import BadInput
from tasks.method.lines import split_lines
from tasks.sandbox.program import Verdict

FIRST_CHUNK = 2
"""A chunk of one would save 1.5 % of the completions and cost a round more: prefixes are read again in every round."""


@dataclass(frozen=True)
class Subject:
    """A judged response whose prefixes are to be labelled. Raises BadInput for an empty program or a missing verdict."""

    response_id: str
    problem_id: str
    prompt: str
    text: str
    verdict: Verdict

    def __post_init__(self) -> None:
        if not self.text:
            raise BadInput(f"response {self.response_id}", "is an empty program", "at least one line")
        if self.verdict.status == "no_verdict":
            raise BadInput(f"response {self.response_id}", "has no verdict", "a response the sandbox judged")

    @cached_property
    def lines(self) -> tuple[str, ...]:
        return tuple(split_lines(self.text))

    def prefix(self, line: int) -> str:
        """The first `line` lines."""
        return "".join(self.lines[:line])

    def shared_lines(self, text: str) -> int:
        """How many lines `text` and this response have in common from the start."""
        theirs = split_lines(text)
        for number, (ours, other) in enumerate(zip(self.lines, theirs, strict=False)):
            if ours != other:
                return number
        return min(len(self.lines), len(theirs))


@dataclass(frozen=True)
class Wanted:
    """One completion wanted of the first `line` lines, the `number`-th from 0; `stream` names its random stream."""

    subject: Subject
    line: int
    stream: str
    number: int = 0


@dataclass(frozen=True)
class Completion:
    """What continues the prefix of the wanted completion at `index`; `tokens` counts what was sampled."""

    index: int
    text: str
    tokens: int


class Completer(Protocol):
    def __call__(self, wanted: Sequence[Wanted]) -> Iterable[Completion]:
        """One completion for each, in any order, as they finish. Equal streams give equal texts."""


class Pending(Protocol):
    def result(self) -> Verdict:
        """Wait for the verdict."""


class Judge(Protocol):
    def __call__(self, problem_id: str, text: str) -> Pending:
        """Start to judge the response `text`; returns at once."""


@dataclass(frozen=True)
class Trial:
    """A whole response that begins with the wanted prefix, and its verdict to come."""

    wanted: Wanted
    text: str
    pending: Pending

    @cached_property
    def verdict(self) -> Verdict:
        return self.pending.result()

    @property
    def continuation(self) -> str:
        return self.text[len(self.wanted.subject.prefix(self.wanted.line)) :]

    @cached_property
    def shared_lines(self) -> int:
        """Lines shared with the source: at least the prefix."""
        return self.wanted.subject.shared_lines(self.text)


@dataclass
class Cost:
    """What labels cost. `executions` counts programs given to the judge: identical ones once."""

    completions: int = 0
    executions: int = 0
    tokens: int = 0

    def add(self, other: Cost) -> None:
        self.completions += other.completions
        self.executions += other.executions
        self.tokens += other.tokens


@dataclass(frozen=True)
class _Known:
    verdict: Verdict

    def result(self) -> Verdict:
        return self.verdict


@dataclass
class Trials:
    """Runs trials and remembers the programs judged so far: one instance per shard keeps memory flat."""

    complete: Completer
    judge: Judge
    cost: Cost = field(default_factory=Cost)
    _judged: dict[tuple[str, str], Pending] = field(default_factory=dict)

    def know(self, subjects: Iterable[Subject]) -> None:
        """Responses are programs judged before: a completion that repeats one is not run."""
        for subject in subjects:
            self._judged[subject.problem_id, subject.text] = _Known(subject.verdict)

    def begin(self, wanted: Sequence[Wanted]) -> list[Trial]:
        """Generate all of `wanted`, hand each program to the judge as it is finished; trials in the order asked."""
        begun: dict[int, Trial] = {}
        for completion in self.complete(wanted):
            want = wanted[completion.index]
            text = want.subject.prefix(want.line) + completion.text
            begun[completion.index] = Trial(want, text, self._judge_once(want.subject.problem_id, text))
            self.cost.completions += 1
            self.cost.tokens += completion.tokens
        return [begun[index] for index in range(len(wanted))]

    def _judge_once(self, problem_id: str, text: str) -> Pending:
        key = (problem_id, text)
        if key not in self._judged:
            self._judged[key] = self.judge(problem_id, text)
            self.cost.executions += 1
        return self._judged[key]


def next_chunk(had: int, most: int) -> range:
    """Numbers of the next completions of a probe that has had `had` of at most `most`: two, then as many again."""
    return range(had, min(max(FIRST_CHUNK, 2 * had), most))
