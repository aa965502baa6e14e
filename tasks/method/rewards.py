"""Rewards of one response: outcome at its last token, process rewards at its line ends (section 3.3 of the paper).

    r_m = lambda * (1/T) * R_phi(x, y^(<=m))      lambda = 0.25 if the response fails its tests, 0.025 if it passes

With scores in [-1, 1] and these lambdas a failing response never earns more than a passing one: at most 0.25 against at
least 0.975. Neutral lines (comments, blanks, docstrings) earn nothing. Both fixes against reward hacking, 1/T and the
neutral lines, can be switched off to show the hack.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from tasks.config import RewardConfig
from tasks.method.arms import Outcome
from tasks.sandbox.program import Verdict

RLTF_SYNTAX, RLTF_RUNTIME, RLTF_FAILED, RLTF_LINE = -1.0, -0.6, -0.3, -0.3


def outcome_reward(verdict: Verdict, kind: Outcome, *, compiles: bool = True) -> float:
    """The reward for the whole response, given at its last token.

    `all_tests`: 1 if all pass, else 0. `fraction`: share of tests passed. `rltf`: -1 does not compile, -0.6 raises or
    breaks a limit, else -0.3 + 1.3 * share of tests passed (2307.04349, adaptive feedback).
    """
    share = verdict.tests_passed / max(1, verdict.tests_total)
    if kind == "all_tests":
        return float(verdict.passed)
    if kind == "fraction":
        return 1.0 if verdict.passed else share
    if not compiles:
        return RLTF_SYNTAX
    if verdict.status not in ("passed", "failed"):
        return RLTF_RUNTIME
    return RLTF_FAILED + (1 - RLTF_FAILED) * share


def line_returns(scores: Sequence[float], neutral: Sequence[bool], settings: RewardConfig) -> list[float]:
    """What every line's score counts before lambda: clamped to [-1, 1], over T, nothing for neutral lines.

    `reward.process: progress` counts what the score gained since the last line that was not neutral, from 0 on: a guess of
    the marginal progress of 2410.08146, from a PRM of states. The sum is the last score, whatever the number of lines.
    """
    lines = max(1, len(scores)) if settings.divide_by_lines else 1
    returns, before = [], 0.0
    for score, skip in zip(scores, neutral, strict=True):
        if skip and settings.neutral_lines:
            returns.append(0.0)
            continue
        clamped = min(1.0, max(-1.0, score))
        returns.append((clamped - before) / lines)
        before = clamped if settings.process == "progress" else 0.0
    return returns


def line_weight(passed: bool, settings: RewardConfig) -> float:
    """lambda: what a response's line returns are multiplied with."""
    return settings.lambda_pass if passed else settings.lambda_fail


def random_scores(name: str, lines: int) -> list[float]:
    """Control: scores uniform in [-1, 1] that depend on the response's name and the line alone."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return np.random.Generator(np.random.Philox(key=seed)).uniform(-1, 1, lines).tolist()


def offending_line(verdict: Verdict, prompt: str) -> int | None:
    """0-based line of the response that raised; None when nothing raised there. `verdict.line` counts from the prompt."""
    if verdict.line is None:
        return None
    line = verdict.line - 1 - prompt.count("\n")
    return line if line >= 0 else None


def compiles(source: str) -> bool:
    """Whether Python accepts `source`; it is not run."""
    try:
        compile(source, "<response>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return False
    return True
