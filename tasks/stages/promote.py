"""Register what a run made, and let the best policy become champion if the evidence is clear.

in: scores (of every cell), policies, prm, report      out: promotion.json

The best arm is the one with the highest mean pass@1 over its seeds; its best seed is the candidate. It becomes
`champion` when there is none, or when its lead over the champion, paired by problem, is clear of zero; else `challenger`.
The PRM's aliases move with the policy's. Models stay in the store and are registered by address, tagged with what
`verify` and a reader need.

`promotion.json` follows from the inputs alone; what the registry made of it is in the metrics and the run's description.
Without a tracking server nothing is registered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.cache import cache_folder
from tasks.errors import BadInput, TryAgain
from tasks.stages.stage import Stage, StageContext
from tasks.store import Artifact

if TYPE_CHECKING:
    from tasks.reporting.results import Score
    from tasks.tracking.registry import ModelVersion, Registry


@dataclass(frozen=True)
class Cell:
    """A policy with its evaluation."""

    policy: Artifact
    evaluation: Artifact
    score: Score

    @property
    def pass_at_1(self) -> float:
        return float(self.score.summary["pass_at_1"])


def run(context: StageContext) -> Mapping[str, float]:
    from tasks.tracking.server import Refused, ServerDown, configured_server

    cells = _cells(context)
    best = _best(cells)
    (context.output / "promotion.json").write_text(_proposal(cells, best, context.optional_input("prm")))
    server = configured_server()
    if server is None:
        return {"registered": 0, "promoted": 0}
    from tasks.tracking.registry import Registry

    try:
        return _register(context, Registry(server), cells, best)
    except ServerDown as down:
        raise TryAgain(str(down)) from down
    except Refused as refused:
        raise BadInput("model registry", str(refused)) from refused


def _cells(context: StageContext) -> list[Cell]:
    """Every evaluated policy, in the order of the scores; scores of other models (SFT) are left out."""
    from tasks.reporting.results import read_score

    policies = {artifact.uri: artifact for artifact in context.inputs["policies"]}
    cells = []
    for evaluation in context.inputs["scores"]:
        (address,) = evaluation.manifest["input_artifacts"]["policy"]
        if address in policies:
            cells.append(Cell(policies[address], evaluation, read_score(evaluation.path)))
    if not cells:
        raise BadInput("--input scores", "are not of any of the policies given", "scores of these policies")
    return cells


def _best(cells: Sequence[Cell]) -> Cell:
    means = _arm_means(cells)
    arm = max(means, key=lambda name: means[name])
    return max(
        (cell for cell in cells if cell.score.arm == arm), key=lambda cell: (cell.pass_at_1, -cell.score.seed)
    )


def _arm_means(cells: Sequence[Cell]) -> dict[str, float]:
    groups: dict[str, list[float]] = {}
    for cell in cells:
        groups.setdefault(cell.score.arm, []).append(cell.pass_at_1)
    return {arm: sum(values) / len(values) for arm, values in groups.items()}


def _proposal(cells: Sequence[Cell], best: Cell, prm: Artifact | None) -> str:
    proposal = {
        "arms": _arm_means(cells),
        "candidate": _told(best),
        "policies": [_told(cell) for cell in cells],
        "prm": prm.digest if prm else None,
    }
    return json.dumps(proposal, indent=1, sort_keys=True)


def _told(cell: Cell) -> dict[str, Any]:
    return {
        "arm": cell.score.arm,
        "seed": cell.score.seed,
        "pass_at_1": cell.pass_at_1,
        "policy": cell.policy.digest,
        "evaluation": cell.evaluation.digest,
    }


def _register(
    context: StageContext, registry: Registry, cells: Sequence[Cell], best: Cell
) -> Mapping[str, float]:
    from tasks.stages.champion import decide, describe, settle
    from tasks.tracking.registry import POLICY_MODEL

    versions = {cell.policy.uri: _register_policy(context, registry, cell) for cell in cells}
    candidate = versions[best.policy.uri]
    champion = registry.by_alias(POLICY_MODEL, "champion")
    decision = decide(best.score, candidate, champion, cache_folder())
    settle(registry, candidate, decision.promoted)
    registered = len(set(versions.values()))
    if prm := context.optional_input("prm"):
        settle(registry, _register_prm(context, registry, prm), decision.promoted)
        registered += 1
    became = "champion" if decision.promoted else "challenger"
    note = f"{describe(candidate.tags)} is {became}: {decision.reason}"
    context.tracker.tag({"mlflow.note.content": note})
    lead = {} if decision.lead is None else {"lead": decision.lead}
    return {"registered": registered, "promoted": int(decision.promoted), **lead}


def _register_policy(context: StageContext, registry: Registry, cell: Cell) -> ModelVersion:
    from tasks.tracking.registry import POLICY_MODEL

    evidence = {
        "arm": cell.score.arm,
        "seed": cell.score.seed,
        "benchmark": cell.score.summary["benchmark"],
        "pass_at_1": cell.pass_at_1,
        "evaluation": cell.evaluation.uri,
    }
    return _register_artifact(context, registry, POLICY_MODEL, cell.policy, evidence)


def _register_prm(context: StageContext, registry: Registry, prm: Artifact) -> ModelVersion:
    from tasks.tracking.registry import PRM_MODEL

    return _register_artifact(context, registry, PRM_MODEL, prm, {})


def _register_artifact(
    context: StageContext, registry: Registry, name: str, artifact: Artifact, evidence: Mapping[str, Any]
) -> ModelVersion:
    (problems,) = artifact.manifest["identity"]["inputs"]["problems"]
    report = context.optional_input("report")
    tags = {
        "digest": artifact.digest,
        "seal": artifact.manifest["seal"],
        "dataset": problems,
        "revision": artifact.manifest["revision"],
        **({"report": report.uri} if report else {}),
        **evidence,
    }
    run_id = artifact.manifest["mlflow_run_id"] or context.tracker.run_id
    return registry.register(name, artifact.uri, run_id, {key: str(value) for key, value in tags.items()})


STAGE = Stage(
    name="promote",
    kind="promotion",
    version=1,
    sections=(),
    inputs={"scores*": "scores", "policies*": "policy", "prm?": "prm", "report?": "report"},
    run=run,
)
