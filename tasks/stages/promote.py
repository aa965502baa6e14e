"""Register what a run made, and let the best policy become champion if the evidence is clear.

in: scores (of every cell), policies, prm, report, validations, champion (the champion's score on the same problems)
out: promotion.json

The best arm is the one with the highest mean pass@1 over its seeds; its best seed is the candidate. It becomes
`champion` when there is none, or when its lead over the champion, paired by problem, is clear of the configured bound; else
`challenger`. It does not when data was not validated, when benchmark problems stand among the training problems, or when
the person who was asked said no. The PRM's aliases move with the policy's. Models stay in the store and are registered by
address, tagged with what `verify` and a reader need.

`promotion.json` follows from the inputs alone; what the registry made of it is in the metrics and the run's description.
Without a tracking server nothing is registered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.cache import cache_folder
from tasks.config import PromotionConfig
from tasks.errors import BadInput, TryAgain
from tasks.stages.stage import Stage, StageContext
from tasks.store import Artifact

if TYPE_CHECKING:
    from tasks.reporting.results import Score
    from tasks.stages.champion import Decision
    from tasks.tracking.registry import ModelVersion, Registry

Inputs = Mapping[str, tuple[Artifact, ...]]


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

    cells = _cells(context.inputs)
    (context.output / "promotion.json").write_text(
        _proposal(cells, _best(cells), context.optional_input("prm"))
    )
    server = configured_server()
    if server is None:
        return {"registered": 0, "promoted": 0}
    from tasks.tracking.registry import Registry

    try:
        return _register(context, Registry(server))
    except ServerDown as down:
        raise TryAgain(str(down)) from down
    except Refused as refused:
        raise BadInput("model registry", str(refused)) from refused


def _cells(inputs: Inputs) -> list[Cell]:
    """Every evaluated policy, in the order of the scores; scores of other models (SFT) are left out."""
    from tasks.reporting.results import read_score

    policies = {artifact.uri: artifact for artifact in inputs["policies"]}
    cells = []
    for evaluation in inputs["scores"]:
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


@dataclass(frozen=True)
class Weighed:
    """The evidence for the best policy of a run, read from inputs and registry; nothing is changed by it."""

    best: Cell
    decision: Decision
    against: tuple[str, ...]
    table: str

    @property
    def promotable(self) -> bool:
        return self.decision.promoted and not self.against

    @property
    def candidate(self) -> str:
        score = self.best.score
        return f"{score.arm} seed {score.seed} at pass@1 {self.best.pass_at_1:.3f}"


def weigh(inputs: Inputs, settings: PromotionConfig, registry: Registry | None) -> Weighed:
    """Raises ServerDown or Refused, and BadInput when the scores are not of the policies."""
    from tasks.reporting.results import read_score
    from tasks.stages.champion import concerns, decide, evidence_table
    from tasks.tracking.registry import POLICY_MODEL

    cells = _cells(inputs)
    best = _best(cells)
    champion = registry.by_alias(POLICY_MODEL, "champion") if registry else None
    given = [score for score in inputs.get("champion", ()) if _is_of(score, champion)]
    evaluation = read_score(given[0].path) if given else None
    decision = decide(
        best.score, best.policy.digest, champion, evaluation, cache_folder(), settings.least_lead
    )
    validations = inputs.get("validations", ())
    against = tuple(concerns(best.score, validations))
    table = evidence_table(
        best.score, decision, against, champion, _arm_means(cells), validations, settings.least_lead
    )
    return Weighed(best, decision, against, table)


def _is_of(score: Artifact, champion: ModelVersion | None) -> bool:
    """A score of this very champion: it may have changed since it was evaluated."""
    return champion is not None and score.manifest["input_artifacts"]["policy"] == [champion.tags["artifact"]]


def _register(context: StageContext, registry: Registry) -> Mapping[str, float]:
    from tasks.stages.champion import settle

    cells = _cells(context.inputs)
    weighed = weigh(context.inputs, context.config.promotion, registry)
    versions = {cell.policy.uri: _register_policy(context, registry, cell) for cell in cells}
    promoted = weighed.promotable and context.config.promotion.approved != "no"
    settle(registry, versions[weighed.best.policy.uri], promoted)
    registered = len(set(versions.values()))
    if prm := context.optional_input("prm"):
        settle(registry, _register_prm(context, registry, prm), promoted)
        registered += 1
    context.tracker.tag({"mlflow.note.content": f"{_verdict(weighed, context)}\n\n{weighed.table}"})
    lead = {} if weighed.decision.lead is None else {"lead": weighed.decision.lead}
    return {"registered": registered, "promoted": int(promoted), **lead}


def _verdict(weighed: Weighed, context: StageContext) -> str:
    """What became of the candidate, in one line."""
    approved = context.config.promotion.approved
    reasons = [weighed.decision.reason, *weighed.against]
    if weighed.promotable and approved != "not_asked":
        reasons.append("a person approved it" if approved == "yes" else "a person refused it")
    became = "champion" if weighed.promotable and approved != "no" else "challenger"
    return f"{weighed.candidate} is {became}: {'; '.join(reasons)}"


def _register_policy(context: StageContext, registry: Registry, cell: Cell) -> ModelVersion:
    from tasks.tracking.registry import POLICY_MODEL

    prm = context.optional_input("prm")
    evidence = {
        **({"prm": prm.digest} if prm else {}),
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
        "validation": ", ".join(one.digest[:12] for one in context.inputs["validations"]),
        **({"report": report.uri} if report else {}),
        **evidence,
    }
    run_id = artifact.manifest["mlflow_run_id"] or context.tracker.run_id
    return registry.register(name, artifact.uri, run_id, {key: str(value) for key, value in tags.items()})


STAGE = Stage(
    name="promote",
    kind="promotion",
    version=2,
    sections=("promotion",),
    inputs={
        "scores*": "scores",
        "policies*": "policy",
        "prm?": "prm",
        "report?": "report",
        "validations*?": "validation",
        "champion?": "scores",
    },
    run=run,
)
