"""What the report shows, gathered from finished artifacts: plain records, no drawing.

An arm's score is the mean over its seeds of pass@1 on the same problems. Intervals are 95 %: bootstrap over problems of
the seed-averaged per-problem scores; a difference between arms is paired by problem. With few seeds the spread
between seeds is shown beside it, not hidden in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.benchmarks.statistics import paired_bootstrap, pass_at_k, score_interval
from tasks.rows import SAMPLES, read_rows

BASELINE_ARM = "rl"
LENGTH_EDGES = (0, 25, 50, 75, 100)
"""Lower edges of the bins by length, tokens; the last is the paper's "more than 100"."""


@dataclass(frozen=True)
class Score:
    """One evaluated policy."""

    arm: str
    seed: int
    summary: Mapping[str, Any]
    folder: Path | None = None

    def samples(self) -> list[dict[str, Any]]:
        """Rows of SAMPLES; none for a score that is not on disk."""
        return read_rows(SAMPLES, self.folder / "samples.parquet") if self.folder else []

    @property
    def per_problem(self) -> dict[str, float]:
        """pass@1 by problem id."""
        return {row["problem_id"]: pass_at_k(row["n"], row["c"], 1) for row in self.summary["per_problem"]}


@dataclass(frozen=True)
class ArmResult:
    """One row of the headline table. `gain` is the paired difference from the `rl` arm, None for that arm itself.

    `steps` counts policy updates; `cpu_seconds` is this arm's own training, mean over seeds;
    `total_cpu_seconds` adds what the arm also needed (baseline run, samples, labels, PRM).
    """

    arm: str
    seeds: tuple[int, ...]
    per_seed: tuple[float, ...]
    pass_at_1: float
    low: float
    high: float
    gain: tuple[float, float, float] | None
    steps: int
    cpu_seconds: float
    total_cpu_seconds: float


def read_score(folder: Path) -> Score:
    summary = json.loads((folder / "summary.json").read_text())
    return Score(summary["arm"], summary["seed"], summary, folder)


def mean_by_problem(scores: Sequence[Score]) -> dict[str, float]:
    """Per-problem pass@1 averaged over seeds; only problems that every seed judged."""
    tables = [score.per_problem for score in scores]
    common = [name for name in tables[0] if all(name in table for table in tables)]
    return {name: sum(table[name] for table in tables) / len(tables) for name in common}


def arm_results(
    scores: Iterable[Score],
    steps: Mapping[str, int],
    own_cost: Mapping[str, float],
    shared_cost: Mapping[str, float],
    baseline: str = BASELINE_ARM,
) -> list[ArmResult]:
    """One result per arm, in order of appearance. Costs in CPU seconds by arm; `shared_cost` 0 for arms without PRM."""
    groups: dict[str, list[Score]] = {}
    for score in scores:
        groups.setdefault(score.arm, []).append(score)
    reference = mean_by_problem(groups[baseline]) if baseline in groups else None
    return [
        _arm_result(
            arm,
            group,
            None if arm == baseline else reference,
            steps.get(arm, 0),
            own_cost.get(arm, 0.0),
            shared_cost.get(arm, 0.0),
        )
        for arm, group in groups.items()
    ]


def _arm_result(
    arm: str, group: list[Score], reference: Mapping[str, float] | None, steps: int, own: float, shared: float
) -> ArmResult:
    table = mean_by_problem(group)
    values = list(table.values())
    low, high = score_interval(values)
    per_seed = tuple(sum(s.per_problem.values()) / len(s.per_problem) for s in group)
    return ArmResult(
        arm,
        tuple(score.seed for score in group),
        per_seed,
        sum(values) / len(values),
        low,
        high,
        None if reference is None else _gain(table, reference),
        steps,
        own,
        own + shared,
    )


def _gain(table: Mapping[str, float], reference: Mapping[str, float]) -> tuple[float, float, float]:
    common = [name for name in table if name in reference]
    ours, theirs = [table[name] for name in common], [reference[name] for name in common]
    low, high = paired_bootstrap(ours, theirs)
    return sum(ours) / len(ours) - sum(theirs) / len(theirs), low, high


def by_bin(scores: Sequence[Score], bin_of: Any) -> dict[Any, tuple[float, float, float, int]]:
    """pass@1 with interval and number of problems, by `bin_of(per-problem row)`, averaged over seeds first."""
    table = mean_by_problem(scores)
    bins: dict[Any, list[float]] = {}
    for row in scores[0].summary["per_problem"]:
        if row["problem_id"] in table:
            bins.setdefault(bin_of(row), []).append(table[row["problem_id"]])
    return {
        key: (sum(values) / len(values), *score_interval(values), len(values))
        for key, values in sorted(bins.items())
    }


def length_of(row: Mapping[str, Any]) -> int:
    """Tokens of a problem's reference; of the responses, on average, where the benchmark has no references."""
    return int(row["reference_tokens"] or row.get("tokens", 0))


def length_bin(row: Mapping[str, Any]) -> int:
    """Lower edge of the length bin of a per-problem row, tokens."""
    return max(edge for edge in LENGTH_EDGES if length_of(row) >= edge)


def difficulty_bin(row: Mapping[str, Any]) -> int:
    return int(row["difficulty"])
