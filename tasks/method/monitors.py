"""What goes wrong in policy optimisation, seen in the curves of a run.

The rules are functions of the curves alone, so that a run that was interrupted sees what it would have seen. A loss or
gradient that is not finite is no matter of rules: it stops the run where it appears (`ppo.py`).

hack      the process reward rises while fewer responses pass: the policy writes what the PRM likes (the paper saw extra
          lines, then comments). The last `window` steps are compared with those in which most passed
kl        the policy has left its reference
constant  every step earns the same: there is nothing to learn from
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Literal

from tasks.config import MonitorConfig

HACK_ERRORS = (
    3.0  # both changes exceed this many standard errors: our choice, noise of small batches does not reach it
)
HACK_FALL = (
    0.25  # and the pass rate by this share of its best, which is a maximum over windows and so flatters
)
Curves = Sequence[Mapping[str, float]]


@dataclass(frozen=True)
class Alarm:
    """A rule that was broken at the last step of some curves, and what is to be done."""

    rule: Literal["hack", "kl", "constant"]
    action: Literal["warn", "lower", "stop"]
    text: str


def alarms(curves: Curves, settings: MonitorConfig) -> list[Alarm]:
    """What the last step of `curves` breaks, rules that are off left out."""
    found = (
        ("hack", settings.on_hack, hack(curves, settings.window)),
        ("kl", settings.on_kl, exploding_kl(curves, settings.kl_limit)),
        ("constant", settings.on_constant, constant_reward(curves, settings.constant_steps)),
    )
    return [Alarm(rule, action, text) for rule, action, text in found if text and action != "off"]  # type: ignore[arg-type]


def hack(curves: Curves, window: int) -> str:
    """Have the PRM return risen and the pass rate fallen, both clearly, since the window in which most passed?

    Steps up to the last alarm do not count, so that one finding gives one alarm.
    """
    known = max((i for i, row in enumerate(curves) if row.get("train/hack_alarm")), default=-1)
    rows = [
        row for row in curves[known + 1 :] if "train/pass_rate" in row
    ]  # a step without verdicts has none
    if len(rows) < 2 * window:
        return ""
    passed, paid = ([row[f"train/{name}"] for row in rows] for name in ("pass_rate", "prm_return"))
    best = max(range(len(rows) - 2 * window + 1), key=lambda i: fmean(passed[i : i + window]))
    before, after = slice(best, best + window), slice(len(rows) - window, len(rows))
    fall = fmean(passed[before]) - fmean(passed[after])
    rise = fmean(paid[after]) - fmean(paid[before])
    least = max(HACK_ERRORS * _error(passed, window), HACK_FALL * fmean(passed[before]))
    if fall <= least or rise <= HACK_ERRORS * _error(paid, window):
        return ""
    return (
        f"the PRM return rose from {fmean(paid[before]):.3f} to {fmean(paid[after]):.3f} while the pass rate fell "
        f"from {fmean(passed[before]):.3f} to {fmean(passed[after]):.3f}: the process reward is being exploited"
    )


def exploding_kl(curves: Curves, limit: float) -> str:
    """Is the last KL above the limit?"""
    kl = curves[-1].get("train/kl", 0.0)
    return f"KL {kl:.1f} nats per response, limit {limit:g}" if kl > limit else ""


def constant_reward(curves: Curves, steps: int) -> str:
    """Has the reward been the same for `steps` steps (told again after as many more)?"""
    last = curves[-1].get("train/reward")
    if last is None:
        return ""
    same = 0
    for row in reversed(curves):
        if row.get("train/reward") != last:
            break
        same += 1
    return f"the mean reward is {last} for {same} steps" if same and same % steps == 0 else ""


def _error(values: Sequence[float], window: int) -> float:
    """Standard error of the difference of two windows' means; noise is told from trend by neighbours' differences."""
    noise = fmean((later - earlier) ** 2 for earlier, later in pairwise(values)) / 2
    return math.sqrt(2 * noise / window)
