"""Who is champion: the comparison on equal problems, and the moving of aliases. Only the `promote` stage moves them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.benchmarks.statistics import paired_bootstrap
from tasks.errors import BadInput
from tasks.reporting.results import Score, read_score
from tasks.store import fetch_uri
from tasks.tracking.registry import ModelVersion, Registry

LEAST_COMMON = 0.5
"""Share of the candidate's problems that the champion must have been judged on, too, for a comparison to mean anything."""


@dataclass(frozen=True)
class Decision:
    """Whether the candidate becomes champion, why, and its lead in pass@1 (None where nothing was compared)."""

    promoted: bool
    reason: str
    lead: float | None = None


def decide(score: Score, candidate: ModelVersion, champion: ModelVersion | None, cache: Path) -> Decision:
    """Whether `candidate`, evaluated as `score`, takes the place of `champion` (None: there is none)."""
    if champion is None:
        return Decision(True, "there was none before")
    if champion == candidate:
        return Decision(True, "it was already")
    try:
        return compare(score, read_score(fetch_uri(champion.tags["evaluation"], cache).path))
    except (BadInput, KeyError) as error:
        return Decision(False, f"the champion's evaluation cannot be read: {error}")


def compare(candidate: Score, champion: Score) -> Decision:
    """Paired by problem: promoted when the 95 % interval of the candidate's lead lies above zero."""
    if candidate.summary["benchmark"] != champion.summary["benchmark"]:
        return Decision(False, f"the champion was judged on {champion.summary['benchmark']}")
    ours, theirs = candidate.per_problem, champion.per_problem
    common = [name for name in ours if name in theirs]
    if len(common) < LEAST_COMMON * len(ours):
        return Decision(False, f"only {len(common)} of {len(ours)} problems were put to the champion, too")
    ours_values, theirs_values = [ours[name] for name in common], [theirs[name] for name in common]
    low, high = paired_bootstrap(ours_values, theirs_values)
    lead = (sum(ours_values) - sum(theirs_values)) / len(common)
    told = f"lead of {100 * lead:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}] on {len(common)} problems"
    return Decision(low > 0, told, lead)


def settle(registry: Registry, candidate: ModelVersion, promoted: bool) -> None:
    """Move the aliases of the candidate's model. Done again, or after a crash in the middle, it ends the same.

    `previous` is set before `champion` moves on, so that there is a way back at every moment.
    """
    champion = registry.by_alias(candidate.name, "champion")
    if champion == candidate:
        return
    if not promoted:
        registry.set_alias(candidate, "challenger")
        return
    if champion is not None:
        registry.set_alias(champion, "previous")
    registry.set_alias(candidate, "champion")
    if registry.by_alias(candidate.name, "challenger") == candidate:
        registry.delete_alias(candidate.name, "challenger")


def describe(tags: Mapping[str, str]) -> str:
    """A version in one line."""
    return f"{tags.get('arm', '')} seed {tags.get('seed', '')} at pass@1 {float(tags['pass_at_1']):.3f}"
