"""Who is champion: the evidence for and against a candidate, and the moving of aliases. Only the `promote` stage and its
way back (`tasks/rollback.py`) move them, through this module.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.benchmarks.statistics import paired_bootstrap
from tasks.errors import BadInput
from tasks.reporting.results import Score, read_score
from tasks.store import Artifact, fetch_uri
from tasks.tracking import registry as names
from tasks.tracking.registry import ModelVersion, Registry

LEAST_COMMON = 0.5
"""Share of the candidate's problems that the champion must have been judged on, too, for a comparison to mean anything."""


@dataclass(frozen=True)
class Decision:
    """Whether the candidate may become champion, why, and its lead in pass@1 (None where nothing was compared)."""

    promoted: bool
    reason: str
    lead: float | None = None


def decide(
    score: Score,
    candidate: str,
    champion: ModelVersion | None,
    evaluation: Score | None,
    cache: Path,
    least_lead: float = 0.0,
) -> Decision:
    """Whether the policy with digest `candidate`, evaluated as `score`, may take the place of `champion` (None: there is
    none). `evaluation` is the champion's on the candidate's problems; without it the one it was promoted with is read."""
    if champion is None:
        return Decision(True, "there was none before")
    if champion.tags.get("digest") == candidate:
        return Decision(True, "it was already")
    if evaluation is not None:
        return compare(score, evaluation, least_lead)
    try:
        return compare(score, read_score(fetch_uri(champion.tags["evaluation"], cache).path), least_lead)
    except (BadInput, KeyError) as error:
        return Decision(False, f"the champion's evaluation cannot be read: {error}")


def compare(candidate: Score, champion: Score, least_lead: float = 0.0) -> Decision:
    """Paired by problem: promoted when the 95 % interval of the candidate's lead lies above `least_lead`."""
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
    if low > least_lead:
        return Decision(True, told, lead)
    return Decision(False, f"{told}, the interval is not above {100 * least_lead:+.1f}", lead)


def concerns(score: Score, validations: Sequence[Artifact]) -> Iterator[str]:
    """What stands against any promotion, whatever the lead: data that was not validated or failed, a benchmark problem
    among the training problems."""
    if not validations:
        yield "the data was not validated"
    for artifact in validations:
        if not _validation(artifact)["success"]:
            yield f"validation failed: {artifact.uri}"
    if exact := (score.summary.get("contamination") or {}).get("exact", 0):
        yield f"{exact} benchmark problems stand among the training problems"


def evidence_table(
    score: Score,
    decision: Decision,
    against: Sequence[str],
    champion: ModelVersion | None,
    arms: Mapping[str, float],
    validations: Sequence[Artifact],
    least_lead: float,
) -> str:
    """The evidence as a Markdown table: what a person who approves the promotion reads."""
    summary = score.summary
    compared = f"{decision.reason} (must be above {100 * least_lead:+.1f})"
    asked = "the test split of the problems" if summary["benchmark"] == "file" else summary["benchmark"]
    found = summary.get("contamination") or {}
    rows = [
        ("candidate", f"{score.arm} seed {score.seed}, pass@1 {100 * summary['pass_at_1']:.1f} %"),
        ("champion", describe(champion.tags) if champion else "none yet"),
        ("comparison", compared if champion else "none: the first champion needs no lead"),
        ("benchmark", f"{asked}, {len(summary['per_problem'])} problems"),
        ("arms, mean of seeds", ", ".join(f"{arm} {100 * value:.1f} %" for arm, value in arms.items())),
        ("validation", _checked(validations)),
        (
            "contamination",
            f"{found['exact']} exact, {found['overlapping']} overlapping" if found else "not measured",
        ),
        ("against it", "; ".join(against) or "nothing"),
    ]
    return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)])


def _checked(validations: Sequence[Artifact]) -> str:
    """How much was expected of the data, and what did not hold."""
    outcomes = [one for artifact in validations for one in _validation(artifact)["outcomes"]]
    warnings = [one["description"] or one["expectation"] for one in outcomes if not one["success"]]
    told = f"{len(outcomes)} expectations in {len(validations)} suites, {len(warnings)} warnings"
    return f"{told} (does not hold: {'; '.join(dict.fromkeys(warnings))})" if warnings else told


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


def chosen(registry: Registry, version: str = "") -> ModelVersion:
    """The policy to go back to: the one of that version, else the previous champion. Raises BadInput when there is none."""
    if not version:
        previous = registry.by_alias(names.POLICY_MODEL, "previous")
        if previous is None:
            raise BadInput(f"{names.POLICY_MODEL}@previous", "does not exist: there is nothing to go back to")
        return previous
    found = {one.version: one for one in registry.versions(names.POLICY_MODEL)}
    if version not in found:
        raise BadInput(
            f"{names.POLICY_MODEL} version {version}", "does not exist", ", ".join(found) or "none yet"
        )
    return found[version]


def restore(registry: Registry, policy: ModelVersion) -> None:
    """Make a policy champion again, and with it the PRM of the run that registered it. Whoever was champion is `previous`
    then. Done again it changes nothing."""
    _crown(registry, policy)
    wanted = policy.tags.get("prm")
    for prm in registry.versions(names.PRM_MODEL):
        if wanted and prm.tags.get("digest") == wanted:
            _crown(registry, prm)


def _crown(registry: Registry, version: ModelVersion) -> None:
    champion = registry.by_alias(version.name, "champion")
    if champion == version:
        return
    registry.set_alias(version, "champion")
    if champion is not None:
        registry.set_alias(champion, "previous")
    if registry.by_alias(version.name, "challenger") == version:
        registry.delete_alias(version.name, "challenger")


def describe(tags: Mapping[str, str]) -> str:
    """A version in one line."""
    return f"{tags.get('arm', '')} seed {tags.get('seed', '')} at pass@1 {float(tags['pass_at_1']):.3f}"


def _validation(artifact: Artifact) -> dict[str, Any]:
    return json.loads((artifact.path / "validation.json").read_text())
