"""What a job will cost, from the artifacts that similar jobs have left in the store.

Every manifest holds the seconds its stage took and the configuration it read. A planned job of the same settings costs
their median; one of other settings the median of seconds per unit of work (below) of jobs of about its size, times its own
units. Where the store knows none, rates measured with the profile `demo` on two cores without GPU stand in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from tasks.store import Store
from tasks.store.artifacts import MANIFEST, read_manifest

KINDS = (
    "problems",
    "model",
    "policy",
    "responses",
    "labels",
    "prm",
    "prm_check",
    "scores",
    "report",
    "validation",
)
MOST_RECORDS = 200
"""Manifests read per kind: enough for a median, and bounded where a store holds thousands."""
ALIKE = 4.0
"""Jobs up to this many times larger or smaller are of about the same size: what a small one spends on starting up would
be multiplied otherwise."""
ALL_PROBLEMS = 500
"""Stands for "all problems" of a benchmark."""

SHIPPED_RATES: Mapping[str, float] = {
    "prepare_problems": 7.0,
    "prepare_model": 9.0,
    "sft": 28.0,
    "train_policy": 2.9e-4,
    "sample_responses": 2.4e-4,
    "label_prefixes": 1e-4,
    "fit_prm": 5.5,
    "check_prm": 2.4e-4,
    "evaluate": 2.6e-4,
    "validate": 14.0,
    "report": 18.0,
    "promote": 2.0,
}
"""Seconds per unit."""
SHIPPED_COMPLETIONS = 0.6
"""Completions per response and K."""


@dataclass(frozen=True)
class Record:
    """One finished job."""

    config: Mapping[str, Any]
    metrics: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class Costs:
    """What the store remembers, by stage."""

    records: Mapping[str, Sequence[Record]] = field(default_factory=dict)

    def seconds(self, stage: str, config: Mapping[str, Any]) -> float:
        """Expected wall seconds of a job with this configuration (the whole tree, as plain data)."""
        past = self.records.get(stage, ())
        same = [record.seconds for record in past if _same_settings(record.config, config)]
        if same:
            return median(same)
        work = units(stage, config, {})
        sizes = [(record.seconds, units(stage, record.config, record.metrics)) for record in past]
        rates = [seconds / size for seconds, size in sizes if 1 / ALIKE <= size / work <= ALIKE]
        return (median(rates) if rates else SHIPPED_RATES[stage]) * work

    def completions(self, config: Mapping[str, Any]) -> float:
        """Expected completions of one job that labels a checkpoint's responses."""
        past = self.records.get("label_prefixes", ())
        rates = [
            record.metrics["completions"]
            / (record.metrics["responses"] * record.config["labels"]["completions"])
            for record in past
            if record.metrics.get("responses") and "completions" in record.metrics
        ]
        rate = median(rates) if rates else SHIPPED_COMPLETIONS
        return rate * _responses(config) * config["labels"]["completions"]


def read_costs(store: Store) -> Costs:
    """The costs of all finished jobs that the store holds; manifests that are damaged or too old are passed over."""
    records: dict[str, list[Record]] = {}
    for kind in KINDS:
        keys = [key for key in store.list(kind) if key.endswith(f"/{MANIFEST}")]
        for key in keys[:MOST_RECORDS]:
            try:
                manifest = read_manifest(store, key.removesuffix(f"/{MANIFEST}"))
                record = Record(manifest["identity"]["config"], manifest["metrics"], manifest["seconds"])
                stage = manifest["identity"]["stage"]
                units(stage, record.config, record.metrics)  # an older revision may have had other settings
                records.setdefault(stage, []).append(record)
            except (ValueError, KeyError, TypeError, FileNotFoundError):
                continue
    return Costs(records)


def units(stage: str, config: Mapping[str, Any], metrics: Mapping[str, float]) -> float:
    """Work of a job in units of its stage: tokens sampled at most where a model samples, else epochs or jobs.

    `metrics` of a finished job say what its configuration does not.
    """
    if stage == "train_policy":
        return _updates(config) * config["ppo"]["batch_size"] * config["ppo"]["max_new_tokens"]
    if stage == "sample_responses":
        return _responses(config) * config["ppo"]["max_new_tokens"]
    if stage == "label_prefixes":
        responses = metrics.get("responses") or _responses(config)
        return responses * config["labels"]["completions"] * config["ppo"]["max_new_tokens"]
    if stage == "check_prm":
        settings = config["prm_check"]
        return (
            max(1, settings["responses"]) * config["labels"]["completions"] * config["ppo"]["max_new_tokens"]
        )
    if stage == "evaluate":
        asked = config["evaluation"]
        return (asked["problems"] or ALL_PROBLEMS) * asked["samples"] * asked["max_new_tokens"]
    if stage in ("sft", "fit_prm"):
        return config["sft" if stage == "sft" else "prm"]["epochs"]
    return 1.0


def _updates(config: Mapping[str, Any]) -> int:
    arm = config["cell"]["arm"]
    if arm == "baseline":
        return int(config["baseline"]["steps"])
    return int(config["ppo"]["long_steps" if arm == "rl_long" else "steps"])


def _responses(config: Mapping[str, Any]) -> float:
    return config["sample"]["problems"] * config["sample"]["responses_per_problem"]


def _same_settings(recorded: Mapping[str, Any], planned: Mapping[str, Any]) -> bool:
    """All sections the job read are as planned; which seed or checkpoint it was does not matter."""
    for section, values in recorded.items():
        if section == "cell":
            if values.get("arm") != planned["cell"]["arm"]:
                return False
        elif values != planned.get(section):
            return False
    return True
