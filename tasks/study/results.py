"""A study's results, read from the store, or from its records, alone: every finished cell is found by its digest."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from tasks.benchmarks.statistics import pass_at_k
from tasks.errors import BadInput
from tasks.method.arms import ARMS
from tasks.store.artifacts import read_file
from tasks.store.stores import Reader
from tasks.study.chain import CHECK_PRM, Cell, Made, cell_jobs, cells_of, find, foreign_prms, foundation
from tasks.study.settings import Study

LABELS = "label_prefixes"
SUPERVISION = ("baseline", "sample_responses", LABELS, "fit_prm")
"""Jobs that an arm with a PRM needs beside its own training."""
START = "evaluate_sft"
T = TypeVar("T")


@dataclass(frozen=True)
class Result:
    """One cell. Costs in CPU seconds; `supervision`: the setting's baseline run, samples, labels and PRM.

    `updates`: the metrics of every update. `trained`: easiest and hardest problems trained on, by difficulty.
    """

    cell: Cell
    questions: tuple[int, ...]
    score: Made
    policy: Made
    summary: Mapping[str, Any]
    updates: tuple[Mapping[str, Any], ...]
    supervision: float
    trained: tuple[int, int]

    @cached_property
    def per_problem(self) -> dict[str, float]:
        """pass@1 by problem id."""
        return {row["problem_id"]: pass_at_k(row["n"], row["c"], 1) for row in self.summary["per_problem"]}

    @property
    def pass_at_1(self) -> float:
        return float(self.summary["pass_at_1"])

    def of_difficulty(self, low: int, high: int) -> Result:
        """The same cell, as if only problems of these difficulties had been asked."""
        rows = [row for row in self.summary["per_problem"] if low <= row["difficulty"] <= high]
        shares = [pass_at_k(row["n"], row["c"], 1) for row in rows]
        mean = sum(shares) / len(shares) if shares else 0.0
        return replace(self, summary={**self.summary, "per_problem": rows, "pass_at_1": mean})

    @property
    def pass_at_1_trained(self) -> float:
        """pass@1 on problems as difficult as those it was trained on: the protocol's primary score."""
        return self.of_difficulty(*self.trained).pass_at_1

    @property
    def cpu_seconds(self) -> float:
        return float(self.policy.manifest["cpu_seconds"])

    @property
    def total_cpu_seconds(self) -> float:
        return self.cpu_seconds + self.supervision

    @cached_property
    def curve(self) -> tuple[float, ...]:
        """Training pass rate by update."""
        return tuple(float(row["train/pass_rate"]) for row in self.updates)

    @property
    def area(self) -> float:
        """Mean training pass rate over all steps: the area under the learning curve."""
        return sum(self.curve) / len(self.curve) if self.curve else 0.0


@dataclass(frozen=True)
class Results:
    """`planned` counts the cells of the protocol; `starts` has the SFT policy's score by setting, before any update.

    `prms`: what `check_prm` measured, by setting, and study where the PRM is another's. `costs`: a setting's foundation.
    `labels`: what was counted while labelling, summed over a setting's checkpoints. Where several replicates have cells of
    a setting, the name alone is the first one's, and the others' have their number behind it.
    """

    results: tuple[Result, ...]
    planned: int
    prms: Mapping[str, Mapping[str, Any]]
    costs: Mapping[str, Mapping[str, Made]]
    starts: Mapping[str, Result]
    labels: Mapping[str, Mapping[str, float]]

    def of(self, setting: str, arm: str) -> list[Result]:
        return [one for one in self.results if (one.cell.setting, one.cell.arm) == (setting, arm)]

    @property
    def replicates(self) -> list[int]:
        return sorted({one.cell.replicate for one in self.results})

    @property
    def finished(self) -> int:
        """Cells of the protocol that any replicate has."""
        return len({replace(one.cell, replicate=1) for one in self.results})

    def parameters(self, setting: str) -> int | None:
        """Of the setting's policy."""
        model = self.costs.get(setting, {}).get("prepare_model")
        return int(model.manifest["metrics"]["parameters"]) if model else None


def relative_cost(ours: Sequence[Result], theirs: Sequence[Result]) -> float | None:
    """All CPU seconds of `ours` over those of `theirs`, mean over the replicates that have both: machines differ."""
    means: list[dict[int, float]] = []
    for side in (ours, theirs):
        spent: dict[int, list[float]] = {}
        for one in side:
            spent.setdefault(one.cell.replicate, []).append(one.total_cpu_seconds)
        means.append({number: sum(costs) / len(costs) for number, costs in spent.items()})
    ratios = [means[0][number] / means[1][number] for number in means[0] if means[1].get(number)]
    return sum(ratios) / len(ratios) if ratios else None


def collect(study: Study, phase: str, replicates: Mapping[int, Reader]) -> Results:
    """Raises BadInput where no replicate holds a finished cell of this study and phase."""
    parts = {number: _collect(study, phase, reader, number) for number, reader in replicates.items()}
    together = Results((), 0, {}, {}, {}, {})
    for number, part in parts.items():
        together = _add(together, number, part)
    if not together.results:
        held = ", ".join(reader.uri for reader in replicates.values())
        raise BadInput(held, f"holds no finished cell of the study {study.name}, {phase}", "make study")
    order = {cell: place for place, cell in enumerate(_cells(study, phase))}
    results = sorted(
        together.results, key=lambda one: (order[replace(one.cell, replicate=1, seed=0)], one.cell.replicate)
    )
    return replace(together, results=tuple(results))


def _cells(study: Study, phase: str) -> list[Cell]:
    return [cell for name, setting in study.of_phase(phase).items() for cell in cells_of(name, setting)]


def _add(known: Results, number: int, part: Results) -> Results:
    """`known` and what a replicate adds: nothing of a setting of which it has no cell."""
    have, has = ({one.cell.setting for one in side.results} for side in (known, part))

    def merged(ours: Mapping[str, T], theirs: Mapping[str, T]) -> dict[str, T]:
        more = {}
        for name, value in theirs.items():
            setting = name.split(",")[0]
            if setting in has:
                more[f"{name}, replicate {number}" if setting in have else name] = value
        return {**ours, **more}

    return Results(
        (*known.results, *part.results),
        part.planned,
        merged(known.prms, part.prms),
        merged(known.costs, part.costs),
        merged(known.starts, part.starts),
        merged(known.labels, part.labels),
    )


def _collect(study: Study, phase: str, store: Reader, replicate: int) -> Results:
    found: list[Result] = []
    prms: dict[str, Mapping[str, Any]] = {}
    costs: dict[str, Mapping[str, Made]] = {}
    starts: dict[str, Result] = {}
    labels: dict[str, Mapping[str, float]] = {}
    planned, foreign = 0, foreign_prms(study, store)
    for name, setting in study.of_phase(phase).items():
        config = study.config(name, phase)
        shared = foundation(setting, config)
        costs[name] = find(store, config, shared)
        spent = sum(_cpu(made) for job, made in costs[name].items() if job.startswith(SUPERVISION))
        if counts := _label_counts(costs[name], store):
            labels[name] = counts
        trained = (config.ppo.difficulty_min, config.ppo.difficulty_max)
        if START in costs[name]:
            start, score = Cell(name, "sft", 0, replicate), costs[name][START]
            starts[name] = Result(
                start, (), score, costs[name]["sft"], _summary(score, store), (), 0.0, trained
            )
        for cell in cells_of(name, setting):
            planned += 1
            jobs = cell_jobs(cell, foreign)
            made = find(store, study.config(name, phase, cell.arm), jobs, {**costs[name], **foreign})
            if jobs[1].name in made:
                found.append(
                    _result(
                        replace(cell, replicate=replicate),
                        setting.questions,
                        made[jobs[1].name],
                        made[jobs[0].name],
                        store,
                        spent if ARMS[cell.arm].needs_prm else 0.0,
                        trained,
                    )
                )
            for job in jobs:
                if job.stage == CHECK_PRM and job.name in made:
                    prms[_checked(name, job.name)] = _read(made[job.name], "metrics.json", store)
    return Results(tuple(found), planned, prms, costs, starts, labels)


def _checked(setting: str, job: str) -> str:
    """Whose PRM: the setting's own, or the main one of another study."""
    other = job.removesuffix(CHECK_PRM).removesuffix(": ")
    return f"{setting}, PRM of {other}" if other else setting


def _result(
    cell: Cell,
    questions: tuple[int, ...],
    score: Made,
    policy: Made,
    store: Reader,
    supervision: float,
    trained: tuple[int, int],
) -> Result:
    rows: Sequence[Mapping[str, Any]] = _read(policy, "curves.json", store)
    updates = tuple(row for row in rows if "train/pass_rate" in row)
    return Result(cell, questions, score, policy, _summary(score, store), updates, supervision, trained)


def _label_counts(made: Mapping[str, Made], store: Reader) -> Counter[str]:
    counts: Counter[str] = Counter()
    for job, one in made.items():
        if job.startswith(LABELS):
            told = _read(one, "cost.json", store)
            counts.update({name: told[name] for name in told if not name.endswith("_per_failing")})
    return counts


def _summary(score: Made, store: Reader) -> Mapping[str, Any]:
    summary: Mapping[str, Any] = _read(score, "summary.json", store)
    return summary


def _read(made: Made, file: str, store: Reader) -> Any:
    """A file of an artifact, checked against its manifest."""
    return json.loads(read_file(store, made.key, made.manifest, file))


def _cpu(made: Made) -> float:
    return float(made.manifest["cpu_seconds"])
