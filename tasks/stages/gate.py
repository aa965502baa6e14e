"""What the data gate judges: tables and their suites, made from artifacts (or plain folders) of one kind.

A subject's references are run against their own tests, in the sandbox, more than once: all of an imported file, a sample of
StepCode's (each of its references has computed its own tests).
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.config import PRMConfig, SandboxConfig, ValidationConfig
from tasks.errors import BadInput
from tasks.rows import DEMONSTRATIONS, LABELS, PROBLEMS, RESPONSES, SAMPLES

if TYPE_CHECKING:
    import pandas as pd

    from tasks.benchmarks.quarantine import Checked
    from tasks.problems import Problem
    from tasks.validation.running import Table

REFERENCES_SAMPLED = 200
"""StepCode references run against their tests."""


@dataclass(frozen=True)
class Gate:
    """What the suites are held against. `previous`: folders of the labels before; `benchmarks`: of problems to stay out."""

    sandbox: SandboxConfig
    prm: PRMConfig
    allowed: ValidationConfig
    previous: Sequence[Path] = ()
    benchmarks: Sequence[Path] = ()

    def tables(self, kind: str, folders: Sequence[Path]) -> list[Table]:
        """Tables of all `folders` of one kind together, so that keys are unique across them, too.

        Raises BadInput for an unknown kind, and for files that are missing or have another schema.
        """
        makers: dict[str, Callable[[Sequence[Path]], list[Table]]] = {
            "problems": self._problems,
            "responses": self._responses,
            "labels": self._labels,
            "scores": self._scores,
        }
        if kind not in makers:
            raise BadInput(f"kind {kind!r}", "has no suite", ", ".join(makers))
        return makers[kind](folders)

    def _problems(self, folders: Sequence[Path]) -> list[Table]:
        from tasks.benchmarks.quarantine import most_allowed
        from tasks.problems import problems_from_rows
        from tasks.validation.facts import held_by_training
        from tasks.validation.running import Table
        from tasks.validation.suites import problem_facts_suite, row_suite
        from tasks.validation.tables import UNKNOWN_LICENCE, problem_facts, read_frame

        rows = read_frame(PROBLEMS, _files(PROBLEMS.name, folders))
        facts = problem_facts(rows)
        problems = problems_from_rows(rows[facts["bad_tests"].isna()].to_dict("records"))
        checked = self._references(problems)
        asked = [problem for problem in problems if problem.split == "test"]
        training = [problem for problem in problems if problem.split == "train"]
        held = {**held_by_training(asked, training), **self._in_benchmarks(training)}
        found = {"reference_failure": checked.failing, "poisoned": checked.poisoned, "in_training": held}
        for column, reasons in found.items():
            facts[column] = rows["problem_id"].map(reasons).astype(object)
        licences = [*self.allowed.licences, UNKNOWN_LICENCE]
        judged = problem_facts_suite(licences, most_allowed(self.allowed.quarantine, len(rows)), len(rows))
        return [
            Table("problems", rows, row_suite(PROBLEMS)),
            Table("problem_facts", facts, judged),
            *_quarantine(folders),
            *_demonstrations(rows, folders),
        ]

    def _in_benchmarks(self, training: Sequence[Problem]) -> dict[str, str]:
        """Training problems that hold one of a benchmark given, by their id."""
        from tasks.problems import read_problems
        from tasks.validation.facts import held_by_training

        reasons: dict[str, str] = {}
        for folder in self.benchmarks:
            for reason in held_by_training(read_problems(folder, "test"), training).values():
                reasons[reason.rpartition(" ")[2]] = reason
        return reasons

    def _references(self, problems: Sequence[Problem]) -> Checked:
        from tasks.benchmarks.quarantine import check_references
        from tasks.stages.sandboxes import open_sandbox

        generated = [problem for problem in problems if problem.source == "stepcode"]
        sampled = random.Random(0).sample(generated, min(REFERENCES_SAMPLED, len(generated)))
        chosen = sampled + [problem for problem in problems if problem.source != "stepcode"]
        with open_sandbox(self.sandbox) as sandbox:
            return check_references(chosen, sandbox)

    def _responses(self, folders: Sequence[Path]) -> list[Table]:
        from tasks.validation.running import Table
        from tasks.validation.suites import response_facts_suite, row_suite
        from tasks.validation.tables import read_frame, response_facts

        responses = read_frame(RESPONSES, _files(RESPONSES.name, folders))
        return [
            Table("responses", responses, row_suite(RESPONSES)),
            Table("response_facts", response_facts(responses), response_facts_suite()),
        ]

    def _labels(self, folders: Sequence[Path]) -> list[Table]:
        from tasks.validation.running import Table
        from tasks.validation.suites import label_facts_suite, row_suite
        from tasks.validation.tables import read_frame
        from tasks.validation.versions import compared, previous_suite

        facts, suite = _label_facts(folders), label_facts_suite()
        before = _label_facts(self.previous) if self.previous else ()
        if len(before) and len(facts):
            facts, suite = compared(facts, before), [*suite, *previous_suite(before)]
        return [
            Table("labels", read_frame(LABELS, _files(LABELS.name, folders)), row_suite(LABELS)),
            Table("label_facts", facts, suite),
            *self._responses(folders),
            *self._prm_data(folders),
        ]

    def _prm_data(self, folders: Sequence[Path]) -> list[Table]:
        """The responses that `prm.selection` leaves; none where the labels are too broken to say (which fails elsewhere)."""
        from tasks.method.selection import hold_out, select
        from tasks.stages.prm_data import read_labelled
        from tasks.validation.facts import prm_facts
        from tasks.validation.running import Table
        from tasks.validation.suites import prm_facts_suite

        try:
            labelled = [one for folder in folders for one in read_labelled(folder, self.prm.source)]
        except BadInput:
            return []
        chosen = select(labelled, self.prm.selection)
        names = {one.problem_id for one in chosen}
        held = hold_out(names, self.prm.validation_share, self.prm.seed) if len(names) > 1 else set()
        return [Table("prm_facts", prm_facts(chosen, held), prm_facts_suite())]

    def _scores(self, folders: Sequence[Path]) -> list[Table]:
        """Every score by itself: the same problems are asked again and again."""
        return [table for number, folder in enumerate(folders) for table in _score_tables(folder, number)]


def _score_tables(folder: Path, number: int) -> list[Table]:
    from tasks.validation.facts import score_facts
    from tasks.validation.running import Table
    from tasks.validation.suites import response_facts_suite, row_suite, score_facts_suite
    from tasks.validation.tables import read_frame, response_facts

    rows = read_frame(SAMPLES, _files(SAMPLES.name, [folder]))
    summary = _summary(folder)
    named = rows.assign(response_id=rows["problem_id"] + "#" + rows["index"].astype(str))
    whose = f"{summary['arm'] or 'model'}_seed{summary['seed']}_{number}"
    return [
        Table(f"samples_{whose}", rows, row_suite(SAMPLES)),
        Table(f"sample_facts_{whose}", response_facts(named), response_facts_suite()),
        Table(f"score_facts_{whose}", score_facts(rows, summary), score_facts_suite()),
    ]


def _summary(folder: Path) -> Mapping[str, Any]:
    path = folder / "summary.json"
    if not path.is_file():
        raise BadInput(str(path), "no such file", "the summary of a score")
    return json.loads(path.read_text())


def _label_facts(folders: Sequence[Path]) -> pd.DataFrame:
    from tasks.validation.tables import label_facts, read_frame

    labels, responses = (read_frame(kind, _files(kind.name, folders)) for kind in (LABELS, RESPONSES))
    return label_facts(labels, responses)


def _demonstrations(problems: pd.DataFrame, folders: Sequence[Path]) -> list[Table]:
    """A benchmark has none."""
    from tasks.validation.facts import demonstration_facts
    from tasks.validation.running import Table
    from tasks.validation.suites import demonstration_facts_suite, row_suite
    from tasks.validation.tables import read_frame

    paths = [path for path in _files(DEMONSTRATIONS.name, folders) if path.is_file()]
    if not paths:
        return []
    rows = read_frame(DEMONSTRATIONS, paths)
    return [
        Table("demonstrations", rows, row_suite(DEMONSTRATIONS)),
        Table("demonstration_facts", demonstration_facts(rows, problems), demonstration_facts_suite()),
    ]


def _quarantine(folders: Sequence[Path]) -> list[Table]:
    """The problems that were put aside when the others were imported, so that whoever looks at these sees them."""
    import pandas as pd

    from tasks.benchmarks.quarantine import read_quarantine
    from tasks.validation.running import Table
    from tasks.validation.suites import quarantine_suite

    aside = [one for folder in folders for one in read_quarantine(folder)]
    return [Table("quarantine", pd.DataFrame(aside), quarantine_suite())] if aside else []


def _files(name: str, folders: Sequence[Path]) -> list[Path]:
    return [folder / f"{name}.parquet" for folder in folders]
