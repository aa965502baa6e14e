"""Labelling in shards: each is read, labelled and checkpointed by itself, so that memory stays flat and little is lost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.config import LabelConfig
from tasks.errors import BadInput
from tasks.method.labelling import Search, label_rows, search_labels
from tasks.method.trials import Completer, Judge, Trial, Trials
from tasks.problems import Problem
from tasks.rows import LABELS, RESPONSES, RowKind, arrow_schema, write_rows
from tasks.stages.prefix_completions import subject_of

if TYPE_CHECKING:
    from tasks.store import Checkpoints

Decisions = dict[str, list[dict[str, Any]]]
"""By response id: every probe as {line, recoverable, completions: [{text, status}]}, for the page of labels."""


def check_responses(path: Path, problems: Mapping[str, Problem], checkpoint: int) -> int:
    """Their number. Raises BadInput naming the row that has no problem, comes twice or is of another checkpoint."""
    import pyarrow.parquet as pq

    if not path.is_file():
        raise BadInput(str(path), "no such file of responses rows")
    if pq.read_schema(path).remove_metadata() != arrow_schema(RESPONSES):
        raise BadInput(str(path), "has other columns", "the schema of responses")
    table = pq.read_table(path, columns=["response_id", "problem_id", "checkpoint"])
    seen: set[str] = set()
    for number, row in enumerate(_rows(table)):
        where = f"{path.name} row {number} ({row['response_id']})"
        if row["problem_id"] not in problems:
            raise BadInput(
                where, f"its problem {row['problem_id']!r} is unknown", "a problem of the input `problems`"
            )
        if row["response_id"] in seen:
            raise BadInput(where, "its response_id is not unique")
        if row["checkpoint"] != checkpoint:
            raise BadInput(where, f"is of checkpoint {row['checkpoint']}", f"cell.checkpoint = {checkpoint}")
        seen.add(row["response_id"])
    return len(seen)


def problems_with_responses(path: Path) -> list[str]:
    """Ids of the problems that occur in a responses file, sorted."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    return sorted(pc.unique(pq.read_table(path, columns=["problem_id"])["problem_id"]).to_pylist())


def label_shards(
    path: Path,
    problems: Mapping[str, Problem],
    complete: Completer,
    judge: Judge,
    settings: LabelConfig,
    checkpoints: Checkpoints,
    is_shown: Callable[[str], bool],
) -> Iterator[int]:
    """Label what has no checkpoint yet; yields the number of responses done after each shard.

    `is_shown` picks the responses whose deciding completions are kept.
    """
    have = checkpoints.numbers()
    done = 0
    for number, rows in enumerate(_shards(path, settings.shard_size), start=1):
        if number not in have:
            labelled = _label(rows, problems, Trials(complete, judge), settings)
            checkpoints.save(number, _Writer(labelled, is_shown), keep=None)
        done += len(rows)
        yield done


def join_shards(checkpoints: Checkpoints, folder: Path) -> tuple[dict[str, int], Decisions]:
    """Write labels.parquet and responses.parquet of all shards into `folder`; the sums of their counts, decisions."""
    import pyarrow.parquet as pq

    counts: Counter[str] = Counter()
    decisions: Decisions = {}
    kinds: tuple[RowKind, ...] = (LABELS, RESPONSES)
    writers = {
        kind.name: pq.ParquetWriter(folder / f"{kind.name}.parquet", arrow_schema(kind), compression="zstd")
        for kind in kinds
    }
    for number in checkpoints.numbers():
        shard = checkpoints.load(number)
        for name, writer in writers.items():
            writer.write_table(pq.read_table(shard / f"{name}.parquet"))
        told = json.loads((shard / "shard.json").read_text())
        counts.update(told["counts"])
        decisions.update(told["decisions"])
    for writer in writers.values():
        writer.close()
    return dict(counts), decisions


def decision(line: int, recoverable: bool, trials: Sequence[Trial]) -> dict[str, Any]:
    """One entry of `Decisions`."""
    told = [{"text": trial.continuation, "status": trial.verdict.status} for trial in trials]
    return {"line": line, "recoverable": recoverable, "completions": told}


@dataclass(frozen=True)
class _Shard:
    """The rows that got labels, their searches, the counts of all rows."""

    rows: Sequence[Mapping[str, Any]]
    searches: Sequence[Search]
    counts: Mapping[str, int]


def _label(
    rows: Sequence[Mapping[str, Any]], problems: Mapping[str, Problem], trials: Trials, settings: LabelConfig
) -> _Shard:
    judged = [row for row in rows if row["text"] and row["status"] != "no_verdict"]
    searches = search_labels(
        [subject_of(row, problems[row["problem_id"]]) for row in judged], trials, settings
    )
    decided = [(row, search) for row, search in zip(judged, searches, strict=True) if not search.undecided]
    counts = Counter(
        responses=len(rows),
        no_verdict=sum(row["status"] == "no_verdict" for row in rows),
        empty=sum(not row["text"] and row["status"] != "no_verdict" for row in rows),
        undecided=len(judged) - len(decided),
        completions=trials.cost.completions,
        executions=trials.cost.executions,
        tokens=trials.cost.tokens,
    )
    for _, search in decided:
        counts.update(_counts(search))
    return _Shard([row for row, _ in decided], [search for _, search in decided], counts)


def _counts(search: Search) -> dict[str, int]:
    """What one response adds. `exhaustive_completions`: K for every line that has a label of its own but the last."""
    passing, labels = search.subject.verdict.passed, search.labels
    return {
        "passing": int(passing),
        "failing": int(not passing),
        "revised": int(not passing and 1 in labels),
        "lines": len(labels),
        "probes": len(search.probes),
        "exhaustive_completions": 0
        if passing
        else search.settings.completions * sum(label != 0 for label in labels[:-1]),
    }


@dataclass(frozen=True)
class _Writer:
    shard: _Shard
    is_shown: Callable[[str], bool]

    def __call__(self, folder: Path) -> None:
        searches = self.shard.searches
        write_rows(LABELS, (row for one in searches for row in label_rows(one)), folder / "labels.parquet")
        write_rows(RESPONSES, self.shard.rows, folder / "responses.parquet")
        decisions = {
            one.subject.response_id: [
                decision(probe.line, probe.recoverable, probe.trials) for probe in one.probes
            ]
            for one in searches
            if self.is_shown(one.subject.response_id)
        }
        told = {"counts": self.shard.counts, "decisions": decisions}
        (folder / "shard.json").write_text(json.dumps(told, sort_keys=True))


def _shards(path: Path, size: int) -> Iterator[list[dict[str, Any]]]:
    """Rows in groups of `size`, whatever row groups the file has."""
    import pyarrow.parquet as pq

    rows = (row for batch in pq.ParquetFile(path).iter_batches(batch_size=size) for row in batch.to_pylist())
    while shard := list(islice(rows, size)):
        yield shard


def _rows(table: Any) -> Iterator[dict[str, Any]]:
    return (row for batch in table.to_batches(max_chunksize=4096) for row in batch.to_pylist())
