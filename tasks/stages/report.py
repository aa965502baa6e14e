"""Tables, pictures and one HTML page from everything a run produced.

in: scores (all cells and SFT), policies (all cells and the baseline), responses, labels, prm, prm_check, sft
out: report.html, results.json (the same figures for programs), across_seeds.html (interactive curves), *.png

Costs come from the manifests of the inputs: CPU seconds each stage used, the sandbox's included.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.benchmarks.quarantine import Aside, read_quarantine
from tasks.cache import cache_folder
from tasks.problems import read_problems
from tasks.stages.stage import Stage, StageContext
from tasks.store import Artifact, fetch_uri
from tasks.tracking.names import METRICS

if TYPE_CHECKING:
    from tasks.reporting.browser import Browser
    from tasks.reporting.results import ArmResult, Score
    from tasks.reporting.solved import Matrix

_LINEAGE = ("sft", "responses", "labels", "prm", "policies", "prm_check", "scores")


def run(context: StageContext) -> Mapping[str, float]:
    from tasks.reporting.across_seeds import write_across_seeds
    from tasks.reporting.page import write_page
    from tasks.reporting.results import BASELINE_ARM, arm_results, read_score
    from tasks.reporting.run_report import SMOOTHING, build_page, draw_pictures, groups_of
    from tasks.reporting.sections import differences_of
    from tasks.reporting.solved import solved_matrix

    scores = [read_score(artifact.path) for artifact in context.inputs["scores"]]
    arms = arm_results(_cells(scores), *_costs(context))
    reference = {score.arm: score.summary["pass_at_1"] for score in scores if score.arm == "sft"}
    pictures = draw_pictures(scores, arms, _curves(context), _metrics_of(context, "prm"), context.output)
    stages = _stage_costs(context)
    groups = groups_of(arms, scores)
    matrix = solved_matrix(groups, BASELINE_ARM)
    page = build_page(
        context.config.profile,
        arms,
        reference,
        scores,
        stages,
        pictures,
        _metrics_of(context, "prm"),
        _metrics_of(context, "prm_check"),
        _of_labels(context, "cost.json"),
        _of_labels(context, "audit.json"),
        matrix,
        _browser(context, matrix, [score for group in groups.values() for score in group[:1]]),
        aside := _put_aside(context.inputs["scores"]),
    )
    write_page(page, context.output / "report.html")
    per_seed = {arm.arm: arm.per_seed for arm in arms}
    across = write_across_seeds(_curves(context), per_seed, matrix, METRICS, SMOOTHING, context.output)
    results = {
        "profile": context.config.profile,
        "arms": [asdict(arm) for arm in arms],
        "sft_pass_at_1": reference.get("sft"),
        "differences": [asdict(one) for one in differences_of(groups, BASELINE_ARM)],
        "stages": stages,
        "conclusion": page.conclusion,
        "across_seeds": across,
        **({"quarantine": [asdict(one) for one in aside]} if aside else {}),
    }
    (context.output / "results.json").write_text(json.dumps(results, indent=1, sort_keys=True))
    for path in sorted(context.output.iterdir()):
        context.tracker.file(path, "report")
    return _headline(arms)


def _browser(context: StageContext, matrix: Matrix, shown: Sequence[Score]) -> Browser:
    """Programs of the first seed of every arm, with the PRM's line rewards where there is a PRM."""
    from tasks.reporting.browser import Answers, browse
    from tasks.stages.line_rewards import line_rewards_of

    prm = context.optional_input("prm")
    rewards = line_rewards_of(prm.path) if prm else None
    answers = [Answers.of(score.arm, score.seed, score.samples()) for score in shown]
    return browse(matrix, prompts_of(context.inputs["scores"]), answers, rewards)


def prompts_of(scores: Sequence[Artifact]) -> dict[str, str]:
    """Prompts of the problems that the scores were made on, by id."""
    problems = [p for folder in _problem_folders(scores) for p in read_problems(folder, "test")]
    return {problem.problem_id: problem.prompt for problem in problems}


def _put_aside(scores: Sequence[Artifact]) -> list[Aside]:
    return [one for folder in _problem_folders(scores) for one in read_quarantine(folder)]


def _problem_folders(scores: Sequence[Artifact]) -> list[Path]:
    addresses = {uri for score in scores for uri in score.manifest["input_artifacts"]["problems"]}
    return [fetch_uri(uri, cache_folder()).path for uri in sorted(addresses)]


def _cells(scores: Sequence[Score]) -> list[Score]:
    return [score for score in scores if score.arm not in ("", "sft", "baseline")]


def _headline(arms: Sequence[ArmResult]) -> dict[str, float]:
    return {f"pass_at_1/{arm.arm}": arm.pass_at_1 for arm in arms} | {
        f"gain/{arm.arm}": arm.gain[0] for arm in arms if arm.gain is not None
    }


def _arm_of(artifact: Artifact) -> str:
    return str(artifact.manifest["identity"]["config"]["cell"]["arm"])


def _costs(context: StageContext) -> tuple[dict[str, int], dict[str, float], dict[str, float]]:
    """Policy updates, own CPU seconds (mean over seeds) and shared CPU seconds (labels, PRM, baseline) by arm."""
    policies = [artifact for artifact in context.inputs["policies"] if _arm_of(artifact) != "baseline"]
    shared = sum(
        artifact.manifest["cpu_seconds"]
        for name in ("responses", "labels", "prm", "policies")
        for artifact in context.inputs[name]
        if name != "policies" or _arm_of(artifact) == "baseline"
    )
    steps, own, extra = {}, {}, {}
    for arm in {_arm_of(artifact) for artifact in policies}:
        group = [artifact for artifact in policies if _arm_of(artifact) == arm]
        steps[arm] = len(_read_curves(group[0]))
        own[arm] = sum(artifact.manifest["cpu_seconds"] for artifact in group) / len(group)
        extra[arm] = shared if group[0].manifest["identity"]["inputs"].get("prm") else 0.0
    return steps, own, extra


def _read_curves(artifact: Artifact) -> list[dict[str, float]]:
    return json.loads((artifact.path / "curves.json").read_text())


def _curves(context: StageContext) -> dict[str, list[list[dict[str, float]]]]:
    """Curves of every seed by arm."""
    curves: dict[str, list[list[dict[str, float]]]] = {}
    for artifact in context.inputs["policies"]:
        if _arm_of(artifact) != "baseline":
            curves.setdefault(_arm_of(artifact), []).append(_read_curves(artifact))
    return curves


def _metrics_of(context: StageContext, name: str) -> dict[str, Any] | None:
    artifact = context.optional_input(name)
    return json.loads((artifact.path / "metrics.json").read_text()) if artifact else None


def _of_labels(context: StageContext, name: str) -> list[dict[str, Any]]:
    """A JSON file of every labels artifact."""
    return [json.loads((artifact.path / name).read_text()) for artifact in context.inputs["labels"]]


def _stage_costs(context: StageContext) -> list[dict[str, Any]]:
    """Wall and CPU seconds of every input artifact's stage, in pipeline order."""
    return [
        {
            "stage": artifact.manifest["identity"]["stage"],
            "label": artifact.manifest["label"],
            "seconds": artifact.manifest["seconds"],
            "cpu_seconds": artifact.manifest["cpu_seconds"],
        }
        for name in _LINEAGE
        for artifact in context.inputs[name]
    ]


STAGE = Stage(
    name="report",
    kind="report",
    version=8,
    sections=("profile",),
    inputs={
        "scores*": "scores",
        "policies*": "policy",
        "responses*?": "responses",
        "labels*?": "labels",
        "prm?": "prm",
        "prm_check?": "prm_check",
        "sft": "model",
    },
    run=run,
)
