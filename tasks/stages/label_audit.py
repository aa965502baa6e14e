"""Audit a labels artifact: exhaustive labels for a random sample, the report as JSON, the programs as a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks.config import LabelConfig
from tasks.method.audit import Evidence, audit_report, audited_labels, exhaustive_trials
from tasks.method.trials import Completer, Judge, Subject, Trials
from tasks.problems import Problem
from tasks.reporting.label_page import LabelledProgram, Probe, write_label_page
from tasks.rows import LABELS, RESPONSES, RowKind
from tasks.stages.generation import stream_seed
from tasks.stages.label_shards import Decisions, decision
from tasks.stages.prefix_completions import subject_of

AUDIT_FACTOR = 4
"""The audit allows a line this many times the search's completions."""

MOST_AUDITED = 200
"""More responses would not make the error rate known much better."""


def sampled_for_audit(settings: LabelConfig, responses: int) -> Callable[[str], bool]:
    """Whether a response id is in the audit's random sample: by its name alone, so that shards need not agree."""
    share = min(settings.audit_share, MOST_AUDITED / max(1, responses))
    return lambda response_id: stream_seed(f"audit/{settings.seed}/{response_id}") < share * 2**63


def audit_artifact(
    folder: Path,
    problems: Mapping[str, Problem],
    complete: Completer,
    judge: Judge,
    settings: LabelConfig,
    is_sampled: Callable[[str], bool],
) -> tuple[dict[str, Any], Decisions]:
    """Label the sampled failing responses of `folder` exhaustively. Returns the report and the audit's decisions."""
    subjects, labels = _sample(folder, problems, is_sampled)
    trials = Trials(complete, judge)
    completions = AUDIT_FACTOR * settings.completions
    evidence = exhaustive_trials(subjects, labels, trials, completions, settings.seed)
    truth = audited_labels(evidence)
    spent = {
        name: value / max(1, len(subjects))
        for name, value in (
            ("completions", trials.cost.completions),
            ("executions", trials.cost.executions),
            ("tokens", trials.cost.tokens),
        )
    }
    report = {
        **audit_report(labels, truth),
        "most_completions_per_line": completions,
        "per_response": spent,
    }
    return report, _decisions(evidence)


def write_audit(
    labels_folder: Path,
    output: Path,
    problems: Mapping[str, Problem],
    report: Mapping[str, Any],
    audit: Decisions,
    search: Decisions | None = None,
) -> None:
    """audit.json and labels.html, written into `output`. The page shows the search's decisions, or else the audit's own."""
    subjects, labels = _sample(labels_folder, problems, audit.__contains__)
    programs = [
        LabelledProgram(
            subject.response_id,
            subject.prompt,
            subject.text,
            tuple(labels[subject.response_id]),
            tuple(Probe.of(told) for told in (search or audit)[subject.response_id]),
            {told["line"]: 1 if told["recoverable"] else -1 for told in audit[subject.response_id]},
        )
        for subject in subjects
    ]
    (output / "audit.json").write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")
    write_label_page(programs, report, "Labels of line prefixes", output / "labels.html")


def _sample(
    folder: Path, problems: Mapping[str, Problem], is_sampled: Callable[[str], bool]
) -> tuple[list[Subject], dict[str, list[int]]]:
    """The sampled failing responses of a labels artifact whose labels were searched, and these in line order."""
    subjects = [
        subject_of(row, problems[row["problem_id"]])
        for row in _stream(RESPONSES, folder)
        if row["status"] != "passed" and is_sampled(row["response_id"])
    ]
    labels: dict[str, list[int]] = {subject.response_id: [] for subject in subjects}
    for row in _stream(LABELS, folder):
        if row["response_id"] in labels and row["source"] == "search":
            labels[row["response_id"]].append(row["label"])
    searched = [subject for subject in subjects if labels[subject.response_id]]
    return searched, {subject.response_id: labels[subject.response_id] for subject in searched}


def _decisions(evidence: Evidence) -> Decisions:
    return {
        name: [
            decision(line, any(trial.verdict.passed for trial in trials), trials)
            for line, trials in lines.items()
        ]
        for name, lines in evidence.items()
    }


def _stream(kind: RowKind, folder: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    table = pq.ParquetFile(folder / f"{kind.name}.parquet")
    return (row for batch in table.iter_batches(batch_size=1024) for row in batch.to_pylist())
