"""The trigger form: the settings people change, as flat fields; everything else goes through the field `overrides`.

`dags/params.py` turns the fields into Airflow's parameters, `tasks/plan.py` (training) and `tasks/plan_evaluation.py` turn a
filled form back into overrides of the profile. A field that is empty leaves the profile's value. Types, bounds, choices
and descriptions come from `tasks/config.py`; only the selection, the order and the titles are decided here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel

from tasks.config import RunConfig
from tasks.errors import BadInput
from tasks.profiles import load_config, profile_names

PROFILE, OVERRIDES = "profile", "overrides"
AS_PROFILE = "profile"
"""The choice that means "empty" in a drop-down: Airflow's form does not send an empty one."""

SECTIONS: dict[str, dict[str, str]] = {
    "What to train": {
        "model.source": "Base model",
        "model.revision": "Revision of the base model",
        "sft.epochs": "SFT: epochs",
        "sft.learning_rate": "SFT: learning rate",
    },
    "Data": {
        "data.source": "Problems",
        "data.train_problems": "StepCode: training problems",
        "data.steps_min": "StepCode: fewest steps",
        "data.steps_max": "StepCode: most steps",
        "data.seed": "StepCode: seed",
    },
    "Labels and PRM": {
        "sample.problems": "Problems sampled per checkpoint",
        "sample.responses_per_problem": "Responses per problem (n)",
        "labels.completions": "Completions per probe (K)",
        "labels.completer": "Who completes",
        "prm.selection": "Which responses the PRM is fitted on",
        "prm.source": "Which labels",
        "prm.epochs": "PRM: epochs",
        "prm.learning_rate": "PRM: learning rate",
    },
    "Arms and seeds": {
        "arms.arms": "Arms",
        "arms.n_seeds": "Seeds per arm",
        "ppo.steps": "Policy updates",
        "ppo.batch_size": "Responses per update",
        "ppo.learning_rate": "Policy learning rate",
        "ppo.kl_coefficient": "KL coefficient (beta)",
        "ppo.difficulty_min": "Easiest training problems",
        "ppo.difficulty_max": "Hardest training problems",
        "reward.lambda_fail": "Dense reward weight, failing responses",
        "reward.lambda_pass": "Dense reward weight, passing responses",
        "value_init.method": "How the critic starts from the PRM",
        "baseline.steps": "Baseline: policy updates",
        "baseline.checkpoints": "Baseline: checkpoints kept",
    },
    "Evaluation": {
        "evaluation.problems": "Test problems",
        "evaluation.samples": "Samples per problem",
        "evaluation.temperature": "Temperature",
    },
    "Promotion": {
        "promotion.least_lead": "Least lead over the champion",
        "promotion.approval": "Ask a person before promoting",
    },
    "Budget": {
        "budget.job_minutes": "Budget, minutes of jobs",
        "sandbox.workers": "Sandbox processes per job",
        "sandbox.cpu_seconds": "CPU seconds per program",
        "sandbox.memory_mb": "Memory per program, MB",
    },
}


EVALUATION_SECTIONS: dict[str, dict[str, str]] = {
    "What to evaluate": {
        "compare.models": "Models",
        "compare.benchmarks": "Benchmarks",
        "compare.with_champion": "Compare with the champion",
        "evaluation.problems": "Problems per benchmark",
    },
    "How to ask": {
        "evaluation.style": "Style",
        "evaluation.mbpp_prompt": "MBPP: prompt of base models",
        "evaluation.samples": "Samples per problem",
        "evaluation.temperature": "Temperature",
        "evaluation.max_new_tokens": "Longest answer, tokens",
        "evaluation.refuse_contaminated": "Refuse contaminated benchmarks",
    },
    "Benchmark files": {
        "benchmark.source": "Where from",
        "benchmark.mbpp_set": "MBPP: set",
        "benchmark.livecodebench_release": "LiveCodeBench: release",
        "benchmark.date_from": "LiveCodeBench: from date",
        "benchmark.date_to": "LiveCodeBench: to date",
        "benchmark.stepcode_problems": "StepCode: problems",
    },
    "Budget": {
        "sandbox.workers": "Sandbox processes per job",
        "sandbox.memory_mb": "Memory per program, MB",
    },
}

RETRAINING_SECTIONS: dict[str, dict[str, str]] = {
    "What to train": {"data.source": "Problems", "arms.n_seeds": "Seeds"},
    "Promotion": {
        "promotion.least_lead": "Least lead over the champion",
        "promotion.approval": "Ask a person before promoting",
    },
    "Budget": {"budget.job_minutes": "Budget, minutes of jobs"},
}


@dataclass(frozen=True)
class Form:
    """`sections` by title: settings and their titles. `profiles` to choose from; `defaults` hold unless filled in.

    `empty` says what an empty field means where that is no profile's value."""

    sections: Mapping[str, Mapping[str, str]]
    profiles: tuple[str, ...]
    defaults: tuple[str, ...] = ()
    empty: str = ""

    @property
    def has_profiles(self) -> bool:
        return len(self.profiles) > 1


TRAINING = Form(SECTIONS, profile_names())
EVALUATION = Form(
    EVALUATION_SECTIONS,
    ("demo",),
    (
        "evaluation.problems=0",
        "evaluation.samples=1",
        "evaluation.temperature=0",
        "evaluation.max_new_tokens=512",
        "sandbox.workers=2",
    ),
)
"""Greedy, one sample, all problems: what most published figures are."""
RETRAINING = Form(RETRAINING_SECTIONS, profile_names(), empty="the champion's, or the profile's")

EMPTY: tuple[Any, ...] = (None, "", AS_PROFILE, [])

YES_OR_NO = {"true": "yes", "false": "no"}
PROFILES_IN_WORDS = {
    "arms": "arms: every arm and control, three seeds",
    "demo": "demo: a tiny model, all arms; a quarter of an hour on two cores",
    "qwen2.5-7b": "qwen2.5-7b: eight GPUs of one host",
    "qwen2.5-coder-0.5b": "qwen2.5-coder-0.5b: one GPU of 24 GB",
    "smoke": "smoke: every stage in minutes, numbers mean nothing",
}

CHOICES: dict[str, dict[str, str]] = {
    "arms.arms": {
        "rl": "rl: plain RL, the baseline",
        "rl_long": "rl_long: plain RL with more updates (equal compute)",
        "dense": "dense: line rewards from the PRM",
        "value_init": "value_init: critic starts from the PRM",
        "psgpo": "psgpo: both",
        "fraction_of_tests": "fraction_of_tests: reward is the share of tests passed (control)",
        "rltf": "rltf: reward at the line that failed (control)",
        "random_prm": "random_prm: line rewards from a PRM of noise (control)",
        "prime": "prime: token rewards of a reward model that learns along the way (control)",
    },
    "labels.completer": {
        "own": "own: the checkpoint that wrote the response",
        "final": "final: the last checkpoint",
        "sft": "sft: the SFT policy",
        "reference": "reference: the rest of the reference solution (control)",
    },
    "prm.selection": {
        "full": "full: all responses",
        "remove_hard": "remove_hard: without problems that no response solved",
        "medium_only": "medium_only: problems solved by some responses, not by all",
        "revised_only": "revised_only: failing responses that could have been saved (the paper's best)",
    },
    "prm.source": {
        "search": "search: binary search for the first wrong line",
        "mutation": "mutation: edited reference solutions",
        "both": "both",
    },
    "value_init.method": {
        "copy": "copy: the PRM's head as it is",
        "affine": "affine: mapped to the range of returns",
        "calibrate": "calibrate: scaled and shifted to the returns of SFT responses",
        "refit": "refit: head fitted again on returns",
        "trunk": "trunk: head at zero, only what is below it comes from the PRM",
    },
    "evaluation.style": {"base": "base: continue the prompt", "chat": "chat: ask by the chat template"},
    "compare.benchmarks": {
        "humaneval": "HumanEval",
        "mbpp": "MBPP",
        "livecodebench": "LiveCodeBench",
        "stepcode": "StepCode",
    },
}
"""What people read in a drop-down or on a chip."""


@dataclass(frozen=True)
class Field:
    """One field of the form. `schema` is the JSON schema of a value that is given; `key` the setting's dotted key.

    `labels` are choices in words, by value."""

    name: str
    key: str
    title: str
    section: str
    description: str
    schema: Mapping[str, Any]
    labels: Mapping[str, str]


def form_fields(form: Form = TRAINING) -> tuple[Field, ...]:
    """All fields that stand for one setting, in the form's order; the same in every process."""
    profiles = {name: load_config(name, form.defaults) for name in form.profiles}
    return tuple(
        _field(key, title, section, profiles, form.empty)
        for section, keys in form.sections.items()
        for key, title in keys.items()
    )


def read_form(conf: Mapping[str, Any], form: Form = TRAINING) -> tuple[str, list[str]]:
    """Profile and overrides of a filled form (a trigger's `conf`).

    Raises BadInput for a key that is no field, naming it and what is allowed. Values are checked by `load_config`.
    """
    keys = {field.name: field.key for field in form_fields(form)}
    choice = [PROFILE] if form.has_profiles else []
    unknown = sorted(set(conf) - {*keys, *choice, OVERRIDES})
    if unknown:
        raise BadInput(f"parameter {unknown[0]!r}", "is unknown", ", ".join([*choice, *keys, OVERRIDES]))
    given = [
        f"{keys[name]}={json.dumps(value)}"
        for name, value in conf.items()
        if name in keys and value not in EMPTY
    ]
    profile = str(conf.get(PROFILE) or "demo")
    return profile, [*form.defaults, *given, *_lines(conf.get(OVERRIDES))]


def _field(key: str, title: str, section: str, profiles: Mapping[str, RunConfig], empty: str) -> Field:
    part, leaf = key.split(".")
    schema = dict(_properties(part)[leaf])
    meaning = str(schema.pop("description", ""))
    for annotation in ("default", "title"):
        schema.pop(annotation, None)
    values = {name: _text(getattr(getattr(config, part), leaf)) for name, config in profiles.items()}
    if schema.get("type") == "boolean":  # a choice that can be left empty, which a switch cannot
        schema = {"type": "string", "enum": list(YES_OR_NO)}
    about = f"{meaning[:1].upper()}{meaning[1:]}. " if len(meaning) > 1 else ""
    meant = f"Empty: {empty}." if empty else _if_empty(values)
    description = f"{about}{meant} Setting: {key}"
    labels = YES_OR_NO if schema.get("enum") == list(YES_OR_NO) else CHOICES.get(key, {})
    return Field(key.replace(".", "_"), key, title, section, description, schema, labels)


def _if_empty(values: Mapping[str, str]) -> str:
    """What an empty field means: the profiles' values, each told once."""
    names: dict[str, list[str]] = {}
    for name, value in values.items():
        names.setdefault(value or "none", []).append(name)
    if len(names) == 1:
        return f"Empty: {next(iter(names))}."
    return "Empty: " + ", ".join(f"{value} ({', '.join(same)})" for value, same in names.items()) + "."


@cache
def _properties(section: str) -> dict[str, Any]:
    model: type[BaseModel] = type(getattr(RunConfig(), section))
    return model.model_json_schema()["properties"]


def _text(value: Any) -> str:
    """A value as people write it."""
    if isinstance(value, bool):
        return YES_OR_NO[str(value).lower()]
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(str, value))}]" if value else ""
    return str(value)


def _lines(text: Any) -> list[str]:
    if text is not None and not isinstance(text, str):
        raise BadInput(f"parameter {OVERRIDES!r}", "is not text", "one KEY=VALUE per line")
    return [line.strip() for line in (text or "").splitlines() if line.strip()]
