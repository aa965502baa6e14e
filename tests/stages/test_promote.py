"""Promotion on evidence: who becomes champion, and that nothing is registered or moved twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tasks.config import load_config
from tasks.errors import BadInput
from tasks.stages import promote
from tasks.stages.stage import Job, run_stage
from tasks.store import digest_of, open_store, publish
from tasks.store.artifacts import artifact_key
from tasks.tracking import registry as registry_module
from tasks.tracking.registry import ModelVersion, Registry
from tasks.tracking.server import MlflowServer

PROBLEMS = 60


class Workbench:
    """Publishes artifacts as the stages would, and promotes them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, f"file://{folder}/store"

    def publish(self, kind: str, name: str, files: Mapping[str, str], **inputs: str) -> str:
        made = self.folder / "made" / f"{kind}-{name}"
        made.mkdir(parents=True)
        for file, text in files.items():
            (made / file).write_text(text)
        identity = {"name": name, "inputs": {key: [digest_of({"uri": uri})] for key, uri in inputs.items()}}
        key = artifact_key(kind, digest_of({**identity, "kind": kind}))
        manifest = {
            "kind": kind,
            "identity": identity,
            "input_artifacts": {key: [uri] for key, uri in inputs.items()},
            "revision": "abc123",
            "mlflow_run_id": "",
        }
        publish(open_store(self.store), key, made, manifest)
        return f"{self.store}/{key}"

    def prm(self, name: str) -> str:
        return self.publish("prm", name, {"config.json": name}, problems="file:///problems")

    def cell(
        self, arm: str, seed: int, passed: int, benchmark: str = "stepcode", first: int = 0
    ) -> tuple[str, str]:
        """A policy that solves `passed` of the problems, always; its address and its evaluation's."""
        name = f"{arm}{seed}-{passed}-{benchmark}-{first}"
        policy = self.publish("policy", name, {"weights": name}, problems="file:///problems")
        rows = [
            {"problem_id": f"p{first + number}", "n": 10, "c": 10 * (number < passed)}
            for number in range(PROBLEMS)
        ]
        summary = {
            "arm": arm,
            "seed": seed,
            "benchmark": benchmark,
            "pass_at_1": passed / PROBLEMS,
            "per_problem": rows,
        }
        return policy, self.publish("scores", name, {"summary.json": json.dumps(summary)}, policy=policy)

    def promote(
        self, cells: Sequence[tuple[str, str]], prm: str | None = None, again: str = ""
    ) -> dict[str, Any]:
        """`again` names a second store, so that the stage is not cached."""
        inputs = {
            "policies": tuple(policy for policy, _ in cells),
            "scores": tuple(evaluation for _, evaluation in cells),
            **({"prm": (prm,)} if prm else {}),
        }
        return run_stage(promote.STAGE, Job(load_config("demo"), inputs, self.store + again))


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench(tmp_path)


@pytest.fixture
def registry(tracked: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The registry, with models of the test's own."""
    name = request.node.name.replace("[", "-").replace("]", "")
    monkeypatch.setattr(registry_module, "POLICY_MODEL", f"policy-{name}")
    monkeypatch.setattr(registry_module, "PRM_MODEL", f"prm-{name}")
    return Registry(MlflowServer(tracked))


def holder(registry: Registry, alias: str, model: str = "POLICY_MODEL") -> str:
    """Artifact address behind an alias; empty if nobody has it."""
    version = registry.by_alias(getattr(registry_module, model), alias)
    return version.tags["artifact"] if version else ""


def versions(registry: Registry) -> list[ModelVersion]:
    return registry.versions(registry_module.POLICY_MODEL)


def test_the_first_best_policy_becomes_champion_and_all_are_registered(
    bench: Workbench, registry: Registry
) -> None:
    cells = [
        bench.cell("rl", 0, 20),
        bench.cell("psgpo", 0, 30),
        bench.cell("psgpo", 1, 34),
        bench.cell("rl", 1, 40),
    ]
    prm = bench.prm("first")
    envelope = bench.promote(cells, prm)
    assert envelope["metrics"] == {"registered": 5, "promoted": 1}
    assert (
        holder(registry, "champion") == cells[2][0]
    )  # best seed of the best arm, not the best single policy
    assert holder(registry, "champion", "PRM_MODEL") == prm
    assert holder(registry, "challenger") == ""
    (champion,) = [version for version in versions(registry) if version.tags["artifact"] == cells[2][0]]
    assert champion.tags["arm"] == "psgpo"
    assert champion.tags["seed"] == "1"
    assert champion.tags["evaluation"] == cells[2][1]
    assert champion.tags["revision"] == "abc123"
    assert float(champion.tags["pass_at_1"]) == pytest.approx(34 / PROBLEMS)


@pytest.mark.parametrize(("passed", "wins"), [(50, True), (32, False), (30, False), (10, False)])
def test_a_later_policy_takes_over_only_with_a_clear_lead(
    bench: Workbench, registry: Registry, passed: int, wins: bool
) -> None:
    first, second = bench.cell("psgpo", 0, 30), bench.cell("dense", 0, passed)
    bench.promote([first])
    envelope = bench.promote([second])
    assert envelope["metrics"]["promoted"] == wins
    assert envelope["metrics"]["lead"] == pytest.approx((passed - 30) / PROBLEMS)
    assert holder(registry, "champion") == (second if wins else first)[0]
    assert holder(registry, "previous") == (first[0] if wins else "")
    assert holder(registry, "challenger") == ("" if wins else second[0])


def test_the_prm_moves_with_its_policy(bench: Workbench, registry: Registry) -> None:
    old, new, newest = (bench.prm(name) for name in ("old", "new", "newest"))
    bench.promote([bench.cell("psgpo", 0, 30)], old)
    bench.promote([bench.cell("psgpo", 0, 31)], new)
    assert holder(registry, "champion", "PRM_MODEL") == old
    assert holder(registry, "challenger", "PRM_MODEL") == new
    bench.promote([bench.cell("psgpo", 0, 55)], newest)
    assert holder(registry, "champion", "PRM_MODEL") == newest
    assert holder(registry, "previous", "PRM_MODEL") == old


def test_done_again_it_changes_nothing(bench: Workbench, registry: Registry) -> None:
    """Also when the first try died after it had moved the aliases: a second store knows nothing of it."""
    first, second, prm = bench.cell("rl", 0, 20), bench.cell("psgpo", 0, 50), bench.prm("prm")
    bench.promote([first])
    once = bench.promote([second], prm)
    before = [(version, dict(version.tags)) for version in versions(registry)]
    assert bench.promote([second], prm)["cached"]
    twice = bench.promote([second], prm, again="-again")
    assert not twice["cached"]
    assert twice["digest"] == once["digest"]
    assert [(version, dict(version.tags)) for version in versions(registry)] == before
    assert (holder(registry, "champion"), holder(registry, "previous")) == (second[0], first[0])
    assert holder(registry, "champion", "PRM_MODEL") == prm


def other_benchmark(bench: Workbench) -> tuple[str, str]:
    return bench.cell("psgpo", 0, 60, benchmark="mbpp")


def other_problems(bench: Workbench) -> tuple[str, str]:
    return bench.cell("psgpo", 0, 60, first=40)


@pytest.mark.parametrize("newcomer", [other_benchmark, other_problems])
def test_what_cannot_be_compared_is_not_promoted(
    bench: Workbench, registry: Registry, newcomer: Callable[[Workbench], tuple[str, str]]
) -> None:
    champion = bench.cell("rl", 0, 1)
    bench.promote([champion])
    bench.promote([newcomer(bench)])
    assert holder(registry, "champion") == champion[0]


def test_a_champion_whose_evaluation_is_gone_stays(bench: Workbench, registry: Registry) -> None:
    champion = bench.cell("rl", 0, 1)
    bench.promote([champion])
    (Path(champion[1].removeprefix("file://")) / "summary.json").unlink()
    envelope = bench.promote([bench.cell("psgpo", 0, 60)])
    assert holder(registry, "champion") == champion[0]
    run = registry.server.get("runs/get", run_id=envelope["mlflow_run_id"])["run"]
    note = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}["mlflow.note.content"]
    assert "is challenger: the champion's evaluation cannot be read" in note


def test_without_a_server_it_says_what_it_would_do(bench: Workbench) -> None:
    cells = [bench.cell("rl", 0, 20), bench.cell("psgpo", 3, 30)]
    envelope = bench.promote(cells)
    assert envelope["metrics"] == {"registered": 0, "promoted": 0}
    proposal = json.loads((Path(envelope["artifact"].removeprefix("file://")) / "promotion.json").read_text())
    assert (proposal["candidate"]["arm"], proposal["candidate"]["seed"]) == ("psgpo", 3)
    assert proposal["arms"] == {"psgpo": 0.5, "rl": pytest.approx(1 / 3)}


def test_scores_of_other_models_are_left_out(bench: Workbench) -> None:
    (policy, evaluation), (_, stranger) = bench.cell("rl", 0, 20), bench.cell("sft", 0, 60)
    job = Job(load_config("demo"), {"policies": (policy,), "scores": (stranger, evaluation)}, bench.store)
    envelope = run_stage(promote.STAGE, job)
    proposal = json.loads((Path(envelope["artifact"].removeprefix("file://")) / "promotion.json").read_text())
    assert proposal["candidate"]["arm"] == "rl"
    with pytest.raises(BadInput, match="--input scores"):
        run_stage(
            promote.STAGE,
            Job(load_config("demo"), {"policies": (policy,), "scores": (stranger,)}, bench.store),
        )
