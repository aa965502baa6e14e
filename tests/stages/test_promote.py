"""Promotion on evidence: who becomes champion, and that nothing is registered or moved twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tasks.__main__ import main
from tasks.errors import BadInput
from tasks.profiles import load_config
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

    def validation(self) -> str:
        name = "clean"
        if not (self.folder / "made" / f"validation-{name}").exists():
            held = {"success": True, "description": "", "expectation": "expect_it"}
            missed = {"success": False, "description": "both labels occur", "expectation": "expect_that"}
            report = {"success": True, "outcomes": [held, missed]}
            self._validation = self.publish("validation", name, {"validation.json": json.dumps(report)})
        return self._validation

    def again(self, policy: str, passed: int, benchmark: str = "stepcode") -> str:
        """Another evaluation of a policy."""
        return self._evaluation(f"again-{passed}-{benchmark}", policy, "champion", 0, passed, benchmark, 0)

    def cell(
        self, arm: str, seed: int, passed: int, benchmark: str = "stepcode", first: int = 0, exact: int = 0
    ) -> tuple[str, str]:
        """A policy that solves `passed` of the problems, always; its address and its evaluation's."""
        name = f"{arm}{seed}-{passed}-{benchmark}-{first}"
        policy = self.publish("policy", name, {"weights": name}, problems="file:///problems")
        return policy, self._evaluation(name, policy, arm, seed, passed, benchmark, first, exact)

    def _evaluation(
        self,
        name: str,
        policy: str,
        arm: str,
        seed: int,
        passed: int,
        benchmark: str,
        first: int,
        exact: int = 0,
    ) -> str:
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
            "contamination": {"exact": exact, "overlapping": exact},
        }
        return self.publish("scores", name, {"summary.json": json.dumps(summary)}, policy=policy)

    def promote(
        self,
        cells: Sequence[tuple[str, str]],
        prm: str | None = None,
        again: str = "",
        *settings: str,
        validated: bool = True,
        champion: str = "",
    ) -> dict[str, Any]:
        """`again` names a second store, so that the stage is not cached; `champion` is the champion's new evaluation."""
        inputs = {
            "policies": tuple(policy for policy, _ in cells),
            "scores": tuple(evaluation for _, evaluation in cells),
            **({"prm": (prm,)} if prm else {}),
            "validations": (self.validation(),) if validated else (),
            "champion": (champion,) if champion else (),
        }
        job = Job(load_config("demo", settings), inputs, self.store + again)
        return run_stage(promote.STAGE, job)


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


def note(registry: Registry, envelope: Mapping[str, Any]) -> str:
    run = registry.server.get("runs/get", run_id=envelope["mlflow_run_id"])["run"]
    return {tag["key"]: tag["value"] for tag in run["data"]["tags"]}["mlflow.note.content"]


def test_data_that_nobody_validated_promotes_nothing(bench: Workbench, registry: Registry) -> None:
    envelope = bench.promote([bench.cell("psgpo", 0, 60)], validated=False)
    assert envelope["metrics"]["promoted"] == 0
    assert "the data was not validated" in note(registry, envelope)


def test_benchmark_problems_in_the_training_data_promote_nothing(
    bench: Workbench, registry: Registry
) -> None:
    envelope = bench.promote([bench.cell("psgpo", 0, 60, exact=2)])
    assert envelope["metrics"]["promoted"] == 0
    assert "2 benchmark problems stand among the training problems" in note(registry, envelope)


@pytest.mark.parametrize(("answer", "promoted"), [("no", 0), ("yes", 1), ("not_asked", 1)])
def test_a_person_can_refuse(bench: Workbench, registry: Registry, answer: str, promoted: int) -> None:
    envelope = bench.promote([bench.cell("psgpo", 0, 60)], None, "", f"promotion.approved={answer!r}")
    assert envelope["metrics"]["promoted"] == promoted
    assert bool(holder(registry, "champion")) == bool(promoted)
    assert ("refused" in note(registry, envelope)) == (answer == "no")


def test_a_person_cannot_promote_against_the_evidence(bench: Workbench, registry: Registry) -> None:
    bench.promote([bench.cell("psgpo", 0, 60)])
    worse = bench.cell("rl", 0, 10)
    assert bench.promote([worse], None, "", "promotion.approved='yes'")["metrics"]["promoted"] == 0


@pytest.mark.parametrize(("bound", "promoted"), [(0.0, 1), (0.9, 0)])
def test_the_lead_must_clear_the_bound(
    bench: Workbench, registry: Registry, bound: float, promoted: int
) -> None:
    bench.promote([bench.cell("rl", 0, 10)])
    envelope = bench.promote([bench.cell("psgpo", 0, 50)], None, "", f"promotion.least_lead={bound}")
    assert envelope["metrics"]["promoted"] == promoted


def test_the_champion_is_judged_on_this_runs_problems(bench: Workbench, registry: Registry) -> None:
    """Its evaluation when it was promoted was on other problems; only one of this very champion counts."""
    old, stranger = bench.cell("rl", 0, 5, benchmark="mbpp"), bench.cell("rl", 9, 59)
    bench.promote([old])
    new = bench.cell("psgpo", 0, 50)
    assert (
        bench.promote([new], champion=stranger[1])["metrics"]["promoted"] == 0
    )  # of another model: not read
    envelope = bench.promote([new], champion=bench.again(old[0], 10))
    assert envelope["metrics"]["promoted"] == 1
    assert envelope["metrics"]["lead"] == pytest.approx(40 / PROBLEMS)


def test_weighing_changes_nothing_and_asks_only_where_there_is_something_to_approve(
    bench: Workbench, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    champion, worse, better = bench.cell("rl", 0, 30), bench.cell("dense", 0, 10), bench.cell("psgpo", 0, 55)
    bench.promote([champion])
    for cell, promotable in ((worse, False), (better, True)):
        argv = ["weigh", "--config", "demo", "--store", bench.store, "--set", "promotion.approval=true"]
        for name, uri in (
            ("policies", cell[0]),
            ("scores", cell[1]),
            ("validations", bench.validation()),
        ):
            argv += ["--input", f"{name}={uri}"]
        assert main(argv) == 0
        told = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert (told["promotable"], told["ask"]) == (promotable, promotable)
        assert "| champion | rl seed 0 at pass@1 0.500 |" in told["evidence"]
        assert "2 expectations in 1 suites, 1 warnings (does not hold: both labels occur)" in told["evidence"]
    assert holder(registry, "champion") == champion[0]
    assert holder(registry, "challenger") == ""


def test_the_way_back_and_back_again(
    bench: Workbench, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rollback"]) == 64
    assert "there is nothing to go back to" in capsys.readouterr().err
    first, second = bench.cell("rl", 0, 20), bench.cell("psgpo", 0, 50)
    prms = bench.prm("first"), bench.prm("second")
    bench.promote([first], prms[0])
    bench.promote([second], prms[1])
    for champion, previous, prm in (
        (first, second, prms[0]),
        (second, first, prms[1]),
    ):
        assert main(["rollback"]) == 0
        assert (holder(registry, "champion"), holder(registry, "previous")) == (champion[0], previous[0])
        assert holder(registry, "champion", "PRM_MODEL") == prm


def test_the_way_back_brings_the_prm_of_its_run(bench: Workbench, registry: Registry) -> None:
    """Also where the champion on top of it came with the same PRM, or with none, and beside one registered by hand."""
    prms = bench.prm("first"), bench.prm("second")
    name = registry_module.PRM_MODEL
    registry._ensure_model(name)
    registry.server.post("model-versions/create", {"name": name, "source": "s3://models/by-hand"})
    cells = [bench.cell("psgpo", seed, passed) for seed, passed in enumerate((10, 25, 40, 55))]
    for cell, prm in zip(cells, (prms[0], prms[1], prms[1], None), strict=True):
        bench.promote([cell], prm)
    assert holder(registry, "champion", "PRM_MODEL") == prms[1]
    assert main(["rollback"]) == 0
    assert holder(registry, "champion") == cells[2][0]
    assert holder(registry, "champion", "PRM_MODEL") == prms[1]
    (first,) = [one.version for one in versions(registry) if one.tags["artifact"] == cells[0][0]]
    for _ in range(2):  # tried again, it stays
        assert main(["rollback", "--to", first]) == 0
        assert (holder(registry, "champion"), holder(registry, "previous")) == (cells[0][0], cells[2][0])
        assert holder(registry, "champion", "PRM_MODEL") == prms[0]


def test_looking_for_the_way_back_changes_nothing_and_an_unknown_version_is_refused(
    bench: Workbench, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = bench.cell("rl", 0, 20), bench.cell("psgpo", 0, 50)
    bench.promote([first])
    bench.promote([second])
    assert main(["rollback", "--look"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert "rl seed 0 at pass@1 0.333" in found["note"]
    assert main(["rollback", "--to", "9"]) == 64
    assert "version 9: does not exist; allowed: 1, 2" in capsys.readouterr().err
    assert holder(registry, "champion") == second[0]
