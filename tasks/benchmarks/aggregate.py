"""From a table of graded samples to scores: pass@k with intervals, by difficulty and by response length.

Works on the columns of `tasks.rows.SAMPLES` as Parquet; a million rows take seconds. Within a length bin a problem's
score is the share of its samples of that length that pass; problems, not samples, are resampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.benchmarks.statistics import pass_at_k_many, score_interval
from tasks.errors import BadInput

COLUMNS = ("problem_id", "difficulty", "tokens", "status")
LENGTH_EDGES = (0, 25, 50, 75, 100)
"""Lower edges of the bins by response length, tokens; the last is the paper's "more than 100"."""


@dataclass(frozen=True)
class Estimate:
    """A mean over problems with its 95 % interval."""

    value: float
    low: float
    high: float
    problems: int


@dataclass(frozen=True)
class Aggregate:
    """`pass_at` by k, `by_difficulty` and `by_length` (lower edge of the bin, tokens) pass@1."""

    samples: int
    no_verdict: int
    pass_at: dict[int, Estimate]
    by_difficulty: dict[int, Estimate]
    by_length: dict[int, Estimate]


def aggregate(path: Path, ks: Sequence[int] = (1,)) -> Aggregate:
    """Scores of the samples in `path`. Samples without verdict count in no n.

    Raises BadInput for another schema, no judged sample, or a k larger than some problem's number of samples.
    """
    table = _read(path)
    judged = _counts(table, ["problem_id", "difficulty"])
    pass_at = {k: _estimate(pass_at_k_many(judged["n"], judged["c"], k)) for k in ks}
    binned = _counts(table, ["problem_id", "bin"])
    return Aggregate(
        samples=table.num_rows,
        no_verdict=table.num_rows - int(judged["n"].sum()),
        pass_at=pass_at,
        by_difficulty=_by(judged["difficulty"], judged["c"] / judged["n"]),
        by_length=_by(binned["bin"], binned["c"] / binned["n"]),
    )


def _read(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    if not path.is_file():
        raise BadInput(str(path), "no such file", "graded samples as Parquet")
    try:
        table = pq.read_table(path, columns=list(COLUMNS))
    except (pa.ArrowInvalid, KeyError) as error:
        raise BadInput(str(path), f"is no table of graded samples: {error}", ", ".join(COLUMNS)) from error
    if set(table.column_names) != set(COLUMNS):
        raise BadInput(str(path), f"has columns {table.column_names}", ", ".join(COLUMNS))
    edges = np.array(LENGTH_EDGES)
    lower = edges[np.digitize(table["tokens"].to_numpy(), edges) - 1]
    return (
        table.append_column("bin", pa.array(lower))
        .append_column("judged", pc.cast(pc.not_equal(table["status"], "no_verdict"), pa.int64()))
        .append_column("passed", pc.cast(pc.equal(table["status"], "passed"), pa.int64()))
    )


def _counts(table: Any, keys: list[str]) -> dict[str, np.ndarray]:
    """n and c by `keys`, groups without any verdict left out."""
    grouped = table.group_by(keys).aggregate([("judged", "sum"), ("passed", "sum")])
    n, c = grouped["judged_sum"].to_numpy(), grouped["passed_sum"].to_numpy()
    kept = n > 0
    if not kept.any():
        raise BadInput("samples", "none has a verdict", "at least one")
    return {"n": n[kept], "c": c[kept], keys[1]: grouped[keys[1]].to_numpy()[kept]}


def _by(bins: np.ndarray, scores: np.ndarray) -> dict[int, Estimate]:
    return {int(name): _estimate(scores[bins == name]) for name in np.unique(bins)}


def _estimate(scores: np.ndarray) -> Estimate:
    ordered = np.sort(scores)  # groups come in no fixed order; the interval must not depend on it
    return Estimate(float(ordered.mean()), *score_interval(ordered), ordered.size)
