"""Labels for line prefixes by binary search with best-of-K completions (section 3.1 of the paper).

A prefix is recoverable (+1) if at least one of K sampled completions passes all tests, else it is not (-1). A passing
response is +1 throughout. For a failing one of T lines the search keeps L, the last line known recoverable (0, the
empty prefix), and H, the first known not to be (T), and probes m = floor((L + H) / 2) until H - L = 1; lines up to L
are +1, lines after it -1. Neutral lines are 0 whatever the search says. At most ceil(log2 T) probes.

What makes it cheaper than the paper, with the same meaning of a label:

- a probe asks for 2, 2, 4, 8, ... completions and stops at the first that passes; at most K;
- a completion that passes proves every prefix it shares with its source, not only the one it was asked for;
- identical programs are executed once (`tasks/method/trials.py`);
- neutral lines are not probed: their label is known.

All responses advance together: a round asks one chunk of completions for every open search. Two halves take turns, so
that the programs of one are executed while the completions of the other are generated. Every completion has its own
random stream, named after its response, line and number: labels do not depend on who else is in the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from tasks.config import LabelConfig
from tasks.method.lines import neutral_lines
from tasks.method.trials import Subject, Trial, Trials, Wanted, next_chunk


@dataclass(frozen=True)
class Probe:
    """One question of a search and the trials that decided it."""

    line: int
    recoverable: bool
    trials: tuple[Trial, ...]


@dataclass
class Search:
    """The binary search over one response. `low` is L (-1: not even the empty prefix), `high` is H."""

    subject: Subject
    settings: LabelConfig
    neutral: list[bool]
    low: int = 0
    high: int = 0
    undecided: bool = False
    probes: list[Probe] = field(default_factory=list)
    passes: dict[int, int] = field(default_factory=dict)
    attempts: dict[int, int] = field(default_factory=dict)
    _current: list[Trial] = field(default_factory=list)

    @classmethod
    def of(cls, subject: Subject, settings: LabelConfig) -> Search:
        T = len(subject.lines)
        neutral = neutral_lines(subject.prompt, subject.text) if settings.neutral_lines else [False] * T
        if subject.verdict.passed:
            return cls(subject, settings, neutral, low=T, high=T + 1)
        return cls(subject, settings, neutral, low=-1 if settings.probe_empty_prefix else 0, high=T)

    @property
    def labels(self) -> list[int]:
        """One label per line."""
        return [
            0 if skip else (1 if line <= self.low else -1) for line, skip in enumerate(self.neutral, start=1)
        ]

    def next_line(self) -> int | None:
        """The line to probe, None when the search is over. Only lines that get a label of their own are probed."""
        if self.undecided:
            return None
        if self.low < 0 < self.high:
            return 0
        between = [line for line in range(self.low + 1, self.high) if not self.neutral[line - 1]]
        # L and H stand at the ranks before and after `between`: the middle is floor((0 + n + 1) / 2)
        return between[(len(between) + 1) // 2 - 1] if between else None

    def wanted(self) -> list[Wanted]:
        """The next completions of the current probe."""
        line = self.next_line()
        if line is None:
            return []
        chunk = next_chunk(len(self._current), self.settings.completions)
        return [Wanted(self.subject, line, self._stream(line, number), number) for number in chunk]

    def take(self, trials: Sequence[Trial]) -> None:
        """Learn from a chunk; closes the probe if one passed or K are spent."""
        self._current.extend(trials)
        line, last = self._current[0].wanted.line, len(self.subject.lines) - 1
        for trial in trials:
            if trial.verdict.status != "no_verdict":
                for shared in range(line, min(trial.shared_lines, last) + 1):
                    self.attempts[shared] = self.attempts.get(shared, 0) + 1
                    self.passes[shared] = self.passes.get(shared, 0) + trial.verdict.passed
        proven = [min(trial.shared_lines, last) for trial in trials if trial.verdict.passed]
        if proven:
            self.low = max(self.low, *proven)
        elif len(self._current) < self.settings.completions:
            return
        elif any(trial.verdict.status == "no_verdict" for trial in self._current):
            self.undecided = True
        else:
            self.high = line
        self.probes.append(Probe(line, bool(proven), tuple(self._current)))
        self._current = []

    def _stream(self, line: int, number: int) -> str:
        return f"label/{self.settings.seed}/{self.subject.response_id}/{line}/{number}"


def search_labels(
    subjects: Sequence[Subject],
    trials: Trials,
    settings: LabelConfig,
    after_round: Callable[[], None] = lambda: None,
) -> list[Search]:
    """Finished searches in the order of `subjects`; a search that lacked verdicts is `undecided` and has no labels."""
    trials.know(subjects)
    searches = [Search.of(subject, settings) for subject in subjects]
    for _ in zip_longest(_rounds(searches[0::2], trials), _rounds(searches[1::2], trials)):
        after_round()
    return searches


def label_rows(search: Search) -> list[dict[str, Any]]:
    """Rows of `tasks.rows.LABELS`, one per line; none for an undecided search.

    `passes` and `attempts` count every completion that runs through the prefix, also those asked for a shorter one.
    """
    if search.undecided:
        return []
    subject = search.subject
    return [
        {
            "response_id": subject.response_id,
            "problem_id": subject.problem_id,
            "line": line,
            "lines": len(subject.lines),
            "label": label,
            "passes": search.passes.get(line),
            "attempts": search.attempts.get(line),
            "source": "search",
        }
        for line, label in enumerate(search.labels, start=1)
    ]


def _rounds(searches: Sequence[Search], trials: Trials) -> Iterator[None]:
    """Yields when the completions of a round are generated: whoever runs meanwhile hides their execution."""
    while asked := [(search, wanted) for search in searches if (wanted := search.wanted())]:
        begun = iter(trials.begin([want for _, wanted in asked for want in wanted]))
        yield
        for search, wanted in asked:
            search.take([next(begun) for _ in wanted])
