"""A policy and a sandbox with planted truth: after line `recoverable` of a response nothing can pass."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

from tasks.method.trials import Completion, Subject, Wanted
from tasks.sandbox.program import Verdict

PASSED, FAILED, NO_VERDICT = (Verdict(status, 0, 1, 0.0) for status in ("passed", "failed", "no_verdict"))


def failing(name: str, lines: Sequence[str] | int, problem: str = "problem") -> Subject:
    """A failing response of the given lines, or of that many lines of code."""
    written = [f"x{n} = {n}" for n in range(lines)] if isinstance(lines, int) else lines
    return Subject(name, problem, "def f():\n", "".join(f"    {line}\n" for line in written), FAILED)


class Answer:
    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict

    def result(self) -> Verdict:
        return self.verdict


class Script:
    """Both the completer and the judge. A completion passes only if its prefix ends at or before the planted line.

    `rate` is how often a completion of a recoverable prefix passes; the last of `completions` always does. A passing
    completion repeats a random number of its source's lines, never beyond the planted one. `batch` shuffles the order in
    which completions finish, as a batch size does.
    """

    def __init__(
        self, recoverable: Mapping[str, int], completions: int = 4, rate: float = 0.4, batch: int = 1
    ) -> None:
        self.recoverable, self.completions, self.rate, self.batch = recoverable, completions, rate, batch
        self.wanted: list[Wanted] = []
        self.judged: list[tuple[str, str]] = []

    def __call__(self, wanted: Sequence[Wanted]) -> Iterator[Completion]:
        self.wanted += wanted
        order = list(range(len(wanted)))
        random.Random(self.batch).shuffle(order)
        for index in order:
            text = self._continuation(wanted[index])
            yield Completion(index, text, len(text.split()))

    def _continuation(self, want: Wanted) -> str:
        rng, planted = random.Random(want.stream), self.recoverable[want.subject.response_id]
        last = want.stream.endswith(f"/{self.completions - 1}")
        if want.line <= planted and (rng.random() < self.rate or last):
            copied = rng.randint(want.line, planted)
            return "".join(want.subject.lines[want.line : copied]) + f"    return {copied}  # right\n"
        return f"    return {rng.randint(0, 99)}  # wrong\n"

    def judge(self, problem_id: str, text: str) -> Answer:
        self.judged.append((problem_id, text))
        return Answer(PASSED if text.endswith("# right\n") else FAILED)
