"""The arms: one PPO, different switches (section 4 of the paper, and the controls its reviewers asked for).

rl                 outcome reward only; `baseline` and `rl_long` are the same with other numbers of steps
dense              + PRM reward on every line
value_init         + critic that starts from the PRM
psgpo              both
fraction_of_tests  control: partial credit, the share of tests passed
rltf               control: RLTF's error levels and its penalty on the line that raised (2307.04349)
random_prm         control: `dense` with random numbers for scores
prime              control: token rewards of an implicit reward model that learns from outcomes alone (2502.01456)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["all_tests", "fraction", "rltf"]
Dense = Literal["none", "prm", "random", "offending_line", "implicit"]


@dataclass(frozen=True)
class Arm:
    outcome: Outcome = "all_tests"
    dense: Dense = "none"
    value_init: bool = False

    @property
    def needs_prm(self) -> bool:
        return self.dense == "prm" or self.value_init


ARMS: dict[str, Arm] = {
    "baseline": Arm(),
    "rl": Arm(),
    "rl_long": Arm(),
    "dense": Arm(dense="prm"),
    "value_init": Arm(value_init=True),
    "psgpo": Arm(dense="prm", value_init=True),
    "fraction_of_tests": Arm(outcome="fraction"),
    "rltf": Arm(outcome="rltf", dense="offending_line"),
    "random_prm": Arm(dense="random"),
    "prime": Arm(dense="implicit"),
}
