"""Samples somebody already has: one JSON object per line, read twice, never held in memory.

    {"task_id": "HumanEval/0", "completion": "    return ..."}      goes on from the prompt
    {"task_id": "HumanEval/0", "solution": "def ..."}               is the whole program

Several rows per problem are its samples 0, 1, 2, ... in file order, unless every row says its `index`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.benchmarks.benchmark import Benchmark, Protocol
from tasks.benchmarks.files import Row, read_objects, typed
from tasks.errors import BadInput
from tasks.problems import Problem
from tasks.sandbox.program import Program

AS_GIVEN = {
    "completion": Protocol("completions as given"),
    "solution": Protocol("whole programs as given", extraction="whole"),
}


@dataclass(frozen=True)
class Sample:
    """One row: sample number `index` of a problem; `form` is `completion` or `solution`."""

    problem_id: str
    index: int
    form: str
    text: str

    def program(self, bench: Benchmark, problem: Problem) -> Program:
        return bench.program(problem, self.text, AS_GIVEN[self.form])

    @property
    def digest(self) -> bytes:
        """Equal for samples that are the same program."""
        content = "\0".join((self.problem_id, self.form, self.text))
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True)
class SampleCounts:
    """What a whole pass over a samples file found."""

    samples: int
    per_problem: Mapping[str, int]
    forms: tuple[str, ...]


def read_samples(path: Path, problems: Mapping[str, Problem], prefix: str) -> Iterator[Sample]:
    """Checked samples in file order. `prefix` may be missing from a task id (`11` for `mbpp/11`).

    Raises BadInput, naming file, line and field, for a malformed row, an unknown task id, or an index twice.
    """
    counts: Counter[str] = Counter()
    given: set[tuple[str, int]] = set()
    for where, row in read_objects(path):
        problem_id = _problem_id(row, problems, prefix, where)
        index = counts[problem_id]
        counts[problem_id] += 1
        if "index" in row:
            index = typed(row["index"], "index", int, where)
            if (problem_id, index) in given:
                raise BadInput(
                    where, f"sample {index} of {problem_id} is there twice", "each index once per problem"
                )
            given.add((problem_id, index))
        yield Sample(problem_id, index, *_text(row, where))
    if not counts:
        raise BadInput(str(path), "holds no samples", "at least one row")


def count_samples(path: Path, problems: Mapping[str, Problem], prefix: str) -> SampleCounts:
    """Read everything once before anything is graded, so that a bad row costs nothing."""
    per_problem: Counter[str] = Counter()
    forms: set[str] = set()
    for sample in read_samples(path, problems, prefix):
        per_problem[sample.problem_id] += 1
        forms.add(sample.form)
    return SampleCounts(sum(per_problem.values()), per_problem, tuple(sorted(forms)))


def _problem_id(row: Row, problems: Mapping[str, Problem], prefix: str, where: str) -> str:
    if "task_id" not in row:
        raise BadInput(where, "field 'task_id' is missing", "the id of a problem")
    name = str(row["task_id"])
    for candidate in (name, f"{prefix}/{name}", f"{prefix}/{name.rpartition('/')[2]}"):
        if candidate in problems:
            return candidate
    raise BadInput(
        where, f"field 'task_id' is {name!r:.80}, which is no problem's", f"e.g. {next(iter(problems))!r}"
    )


def _text(row: Row, where: str) -> tuple[str, str]:
    forms = [form for form in AS_GIVEN if form in row]
    if len(forms) != 1:
        raise BadInput(
            where, f"has {' and '.join(forms) or 'neither'}", "field 'completion' or field 'solution'"
        )
    return forms[0], typed(row[forms[0]], forms[0], str, where)
