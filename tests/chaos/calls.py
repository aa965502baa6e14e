"""Every stage, called as a run calls it, on settings so small that each takes a second or two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.stages.conftest import MICRO

SMALL = (
    *MICRO,
    "sft.checkpoint_every=3",
    "ppo.checkpoint_every=1",
    "labels.shard_size=4",
    "evaluation.shard_size=2",
    "prm.selection=full",
    "prm.epochs=2",
)


@dataclass(frozen=True)
class Call:
    """`inputs` maps a stage's inputs to the names of earlier calls."""

    name: str
    stage: str
    settings: tuple[str, ...] = ()
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def argv(self, store: str, made: Mapping[str, str]) -> list[str]:
        """The command line; `made` has the artifacts of earlier calls by their names."""
        argv = [self.stage, "--config", "smoke", "--store", store, "--label", self.name]
        for setting in (*SMALL, *self.settings):
            argv += ["--set", setting]
        for name, calls in self.inputs.items():
            for call in calls:
                argv += ["--input", f"{name}={made[call]}"]
        return argv


_START = {"problems": ("problems",), "sft": ("sft",)}
CALLS = (
    Call("problems", "prepare_problems"),
    Call("benchmark", "prepare_benchmark", ("benchmark.name=stepcode", "benchmark.stepcode_problems=12")),
    Call("validation", "validate", (), {"subject": ("problems",)}),
    Call("model", "prepare_model", (), {"problems": ("problems",)}),
    Call("sft", "sft", (), {"problems": ("problems",), "model": ("model",)}),
    Call("baseline", "train_policy", ("cell.arm=baseline",), _START),
    Call(
        "responses",
        "sample_responses",
        ("cell.checkpoint=1",),
        {"problems": ("problems",), "policy": ("baseline",)},
    ),
    Call(
        "labels",
        "label_prefixes",
        ("cell.checkpoint=1",),
        {"problems": ("problems",), "responses": ("responses",), "policy": ("baseline",)},
    ),
    Call("prm", "fit_prm", (), {**_START, "labels": ("labels",)}),
    Call("psgpo", "train_policy", ("cell.arm=psgpo",), {**_START, "prm": ("prm",)}),
    Call(
        "check",
        "check_prm",
        ("prm_check.responses=10",),
        {"problems": ("problems",), "policies": ("psgpo",), "prm": ("prm",)},
    ),
    Call("scores", "evaluate", ("cell.arm=psgpo",), {"problems": ("problems",), "policy": ("psgpo",)}),
    Call(
        "report",
        "report",
        (),
        {
            "scores": ("scores",),
            "policies": ("psgpo", "baseline"),
            "responses": ("responses",),
            "labels": ("labels",),
            "prm": ("prm",),
            "prm_check": ("check",),
            "sft": ("sft",),
        },
    ),
    Call("comparison", "compare", (), {"scores": ("scores",)}),
    Call(
        "promotion",
        "promote",
        (),
        {"scores": ("scores",), "policies": ("psgpo",), "prm": ("prm",), "validations": ("validation",)},
    ),
)
