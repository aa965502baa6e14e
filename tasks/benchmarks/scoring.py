"""Grade samples through the sandbox: streamed, resumable, no sample graded twice.

Verdicts go to a journal beside the output (`.NAME.journal`), line by line in the order of the samples. A run that was
killed goes on after the last whole line; the journal belongs to exactly these samples, problems and limits. The
output file appears when the last verdict is in.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.benchmarks.benchmark import Benchmark
from tasks.benchmarks.files import whole_file, write_json_line
from tasks.benchmarks.lookahead import Judged, in_order
from tasks.benchmarks.samples import Sample
from tasks.benchmarks.statistics import pass_at_k_many, score_interval
from tasks.errors import BadInput
from tasks.problems import Problem
from tasks.sandbox.program import Verdict

if TYPE_CHECKING:
    from tasks.sandbox import Pending, Sandbox

DIGITS = 4

Graded = dict[str, Any]  # {task_id, index, status, tests_passed, tests_total, seconds, detail}


@dataclass
class Tally:
    """Verdict counts by problem: all a score needs. A sample without verdict counts in neither n nor c."""

    n: Counter[str] = field(default_factory=Counter)
    c: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)

    def add(self, row: Mapping[str, Any]) -> None:
        self.statuses[row["status"]] += 1
        self.n[row["task_id"]] += row["status"] != "no_verdict"
        self.c[row["task_id"]] += row["status"] == "passed"

    def scores(self, ks: Sequence[int]) -> dict[str, float | None]:
        """`pass_at_k` with its interval for every k, over the problems with at least k verdicts; None if there are none."""
        table: dict[str, float | None] = {}
        for k in ks:
            judged = [name for name, count in self.n.items() if count >= k]
            values = pass_at_k_many([self.n[p] for p in judged], [self.c[p] for p in judged], k)
            low, high = score_interval(values) if judged else (None, None)
            table |= {f"pass_at_{k}": float(values.mean()) if judged else None}
            table |= {f"pass_at_{k}_low": low, f"pass_at_{k}_high": high}
        return table


def grade(
    samples: Iterable[Sample], problems: Mapping[str, Problem], bench: Benchmark, sandbox: Sandbox
) -> Iterator[Graded]:
    """One row per sample, in order, as soon as it is judged. Equal programs are run once."""
    known: dict[bytes, Pending | Judged] = {}

    def submitted() -> Iterator[tuple[Sample, Pending | Judged]]:
        for sample in samples:
            digest = sample.digest
            if digest not in known:
                known[digest] = sandbox.submit(sample.program(bench, problems[sample.problem_id]))
            yield sample, known[digest]

    for sample, verdict in in_order(submitted()):
        known[sample.digest] = Judged(verdict)
        if verdict.status == "no_verdict":
            del known[sample.digest]  # the sandbox failed, not the program: ask again if it comes again
        yield _graded(sample, verdict)


def grade_file(
    output: Path,
    identity: str,
    samples: Callable[[], Iterable[Sample]],
    grader: Callable[[Iterable[Sample]], Iterator[Graded]],
    progress: Callable[[int], None],
) -> tuple[Tally, int]:
    """Grade all of `samples()` into `output`; returns the tally and how many verdicts an earlier run had left.

    `identity` names samples, problems and limits; a journal of another identity is thrown away.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    journal = output.with_name(f".{output.name}.journal")
    tally = Tally()
    done = 0
    for row in _resume(journal, identity):
        tally.add(row)
        done += 1
    with open(journal, "a", encoding="utf-8") as stream:
        for number, row in enumerate(grader(islice(samples(), done, None)), done + 1):
            write_json_line(stream, row)
            stream.flush()
            tally.add(row)
            progress(number)
    with whole_file(output) as final:
        for row in _journal_rows(journal):
            write_json_line(final, row)
    journal.unlink()
    return tally, done


def file_identity(paths: Sequence[Path], *settings: str) -> str:
    """A digest of the files' content and of the settings."""
    digest = hashlib.sha256("\0".join(settings).encode())
    for path in paths:
        with open(path, "rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _graded(sample: Sample, verdict: Verdict) -> Graded:
    return {
        "task_id": sample.problem_id,
        "index": sample.index,
        "status": verdict.status,
        "tests_passed": verdict.tests_passed,
        "tests_total": verdict.tests_total,
        "seconds": round(verdict.cpu_seconds, DIGITS),
        "detail": verdict.detail,
    }


def _resume(journal: Path, identity: str) -> Iterator[Graded]:
    """The rows of a journal of this identity, its torn last line cut off; otherwise starts a new journal."""
    if _journal_identity(journal) == identity:
        _cut_torn_line(journal)
        yield from _journal_rows(journal)
        return
    try:
        journal.write_text(json.dumps({"identity": identity}) + "\n", encoding="utf-8")
    except OSError as error:
        raise BadInput(
            str(journal), f"cannot be written: {error.strerror}", "an output in a writable folder"
        ) from error


def _journal_identity(journal: Path) -> str | None:
    if not journal.is_file():
        return None
    with open(journal, encoding="utf-8") as stream:
        first = stream.readline()
    return json.loads(first)["identity"] if first.endswith("\n") else None


def _journal_rows(journal: Path) -> Iterator[Graded]:
    with open(journal, encoding="utf-8") as stream:
        next(stream)
        for line in stream:
            yield json.loads(line)


def _cut_torn_line(journal: Path) -> None:
    with open(journal, "rb+") as stream:
        end = size = stream.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - 65536)
            stream.seek(start)
            newline = stream.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < size:
            stream.truncate(end)
