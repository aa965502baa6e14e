"""The stage contract, with a stage that does nothing else (`tests/stages/toy.py`)."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import BadInput
from tasks.profiles import load_config
from tasks.stages.stage import Job, Stage, StageContext, run_stage
from tasks.store import Checkpoints, open_store
from tests.chaos.toys import start_toy
from tests.stages.toy import STAGE

SEEDS = ("1", "2", "3")
"""SIGKILL comes after this many steps."""


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"file://{tmp_path}/store"


def call(store: str, *overrides: str, stage: Stage = STAGE, **inputs: str) -> dict[str, Any]:
    given = {name: (uri,) for name, uri in inputs.items()}
    return run_stage(stage, Job(load_config("demo", overrides), given, store))


def start(store: str, *overrides: str, pause: float = 0.0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.stages.toy", store, *overrides],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TOY_PAUSE": str(pause)},
    )


def wait_for(child: subprocess.Popen[str], line: str) -> None:
    assert child.stderr is not None
    while (read := child.stderr.readline()) and read.strip() != line:
        pass
    assert read, f"the stage ended before {line!r}"


def manifest(envelope: Mapping[str, Any]) -> dict[str, Any]:
    folder = Path(str(envelope["artifact"]).removeprefix("file://"))
    return json.loads((folder / "_manifest.json").read_text())


def manifests(store: str) -> list[Path]:
    return sorted(Path(store.removeprefix("file://")).glob("toy/*/*/_manifest.json"))


def test_the_envelope_says_what_was_made(store: str) -> None:
    envelope = call(store, "sft.epochs=4")
    assert envelope["stage"] == "toy"
    assert envelope["artifact"].startswith(f"{store}/toy/{envelope['digest'][:2]}/{envelope['digest']}")
    assert envelope["metrics"] == {"steps": 4}
    assert envelope["cached"] is False
    assert envelope["mlflow_run_id"] == ""


def test_the_second_call_is_cached_and_runs_nothing(store: str) -> None:
    def never(context: StageContext) -> Mapping[str, float]:
        raise AssertionError("ran although the artifact exists")

    first = call(store)
    second = call(store, stage=dataclasses.replace(STAGE, run=never))
    assert second == {**first, "cached": True}
    with pytest.raises(AssertionError, match="ran although"):  # the check can fail: other work does run
        call(store, "sft.epochs=3", stage=dataclasses.replace(STAGE, run=never))


@pytest.mark.parametrize(
    ("override", "same"),
    [("sft.seed=1", False), ("sft.epochs=3", False), ("ppo.steps=3", True), ("cell.seed=2", True)],
)
def test_the_digest_depends_on_the_declared_sections_only(store: str, override: str, same: bool) -> None:
    assert (call(store)["digest"] == call(store, override)["digest"]) is same


def test_the_digest_depends_on_version_and_input_content(store: str) -> None:
    plain, other = call(store), call(store, "sft.epochs=3")
    digests = {
        plain["digest"],
        call(store, stage=dataclasses.replace(STAGE, version=2))["digest"],
        call(store, before=plain["artifact"])["digest"],
        call(store, before=other["artifact"])["digest"],
        call(store, other=plain["artifact"])["digest"],
    }
    assert len(digests) == 5


def test_a_stage_cannot_read_a_section_it_does_not_declare(store: str) -> None:
    def curious(context: StageContext) -> Mapping[str, float]:
        return {"steps": context.config.ppo.steps}

    with pytest.raises(AttributeError, match="'ppo'"):
        call(store, stage=dataclasses.replace(STAGE, run=curious))


def test_the_manifest_tells_where_the_artifact_came_from(store: str) -> None:
    before = call(store)
    made = manifest(call(store, "sft.epochs=3", before=before["artifact"]))
    assert made["kind"] == "toy"
    assert made["input_artifacts"]["before"] == [before["artifact"]]
    assert made["identity"]["inputs"]["before"] == [manifest(before)["content"]]
    assert made["identity"]["config"]["sft"]["epochs"] == 3
    assert made["packages"]["python"].startswith("3.")
    assert made["processor"]
    assert made["files"]["state"]["size"] == 64


def test_what_was_spent_before_a_kill_is_counted(tmp_path: Path, store: str) -> None:
    """As far as the last checkpoint: the second try, without pauses, takes less by itself."""
    child = start(store, "sft.epochs=6", pause=0.5)
    wait_for(child, "step 4")  # the checkpoint after step 3 has two seconds
    child.kill()
    child.communicate()
    (root,) = Path(store.removeprefix("file://")).glob("_checkpoints/*")
    before = Checkpoints(open_store(store), root.name, tmp_path / "cache").told()
    out, _ = start(store, "sft.epochs=6").communicate()
    resumed = manifest(json.loads(out))
    assert resumed["seconds"] > before["seconds"] >= 2.0
    assert resumed["cpu_seconds"] > before["cpu_seconds"] > 0


def test_bad_data_publishes_nothing(store: str) -> None:
    with pytest.raises(BadInput, match="planted"):
        call(store, "sft.learning_rate=0.5")
    assert manifests(store) == []


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"wrong": "x"}, "--input wrong: is no input of toy; allowed: before"),
        ({"before": "nonsense"}, "is not an artifact address"),
        ({"before": "file:///nowhere/toy/ab/" + "ab" * 32}, "no such artifact|cannot be written"),
    ],
)
def test_wrong_inputs_are_refused(store: str, inputs: dict[str, str], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        call(store, **inputs)


def test_an_input_must_be_there_once_and_of_its_kind(store: str) -> None:
    made = call(store)["artifact"]
    strict = dataclasses.replace(STAGE, inputs={"before": "toy"})
    with pytest.raises(BadInput, match="--input before: is missing"):
        call(store, stage=strict)
    with pytest.raises(BadInput, match="more than once"):
        run_stage(strict, Job(load_config("demo"), {"before": (made, made)}, store))
    with pytest.raises(BadInput, match="is a toy artifact; allowed: model"):
        call(store, stage=dataclasses.replace(STAGE, inputs={"before": "model"}), before=made)


def test_an_altered_file_is_found_by_name_also_when_cached(store: str) -> None:
    made = call(store)
    path = Path(made["artifact"].removeprefix("file://")) / "state"
    path.write_text(path.read_text()[::-1])
    with pytest.raises(BadInput, match=r"/state: does not match its manifest"):
        call(store, "sft.epochs=3", before=made["artifact"])
    with pytest.raises(BadInput, match=r"/state: does not match its manifest"):
        call(store)


@pytest.mark.parametrize("steps", SEEDS)
def test_sigkill_then_rerun_gives_the_same_content(tmp_path: Path, store: str, steps: str) -> None:
    undisturbed = manifest(call(f"file://{tmp_path}/undisturbed", "sft.epochs=6"))
    child = start(store, "sft.epochs=6", pause=0.2)
    wait_for(child, f"step {steps}")
    child.kill()
    child.communicate()
    assert manifests(store) == []
    rerun = start(store, "sft.epochs=6")
    out, err = rerun.communicate()
    assert rerun.returncode == 0
    assert json.loads(out)["cached"] is False
    assert manifest(json.loads(out))["content"] == undisturbed["content"]
    assert f"step {int(steps) // 2 * 2 - 1}\n" not in err  # what the checkpoint held is not done again
    assert not list(Path(store.removeprefix("file://")).glob("_checkpoints/*/*"))


def test_killed_between_publishing_and_clearing_it_leaves_no_checkpoints_for_ever(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(Checkpoints, "clear", lambda checkpoints: None)
        call(store, "sft.epochs=6")
    folder = Path(store.removeprefix("file://")) / "_checkpoints"
    assert list(folder.rglob("state"))
    assert call(store, "sft.epochs=6")["cached"]
    assert not list(folder.rglob("*.json"))
    assert not list(folder.rglob("state"))


def test_sigterm_saves_and_leaves_with_75(tmp_path: Path, store: str) -> None:
    undisturbed = manifest(call(f"file://{tmp_path}/undisturbed", "sft.epochs=6"))
    child = start(store, "sft.epochs=6", pause=0.3)
    wait_for(child, "step 2")
    child.send_signal(signal.SIGTERM)
    out, _ = child.communicate()
    assert (child.returncode, out) == (75, "")
    assert manifests(store) == []
    rerun = start(store, "sft.epochs=6")
    out, err = rerun.communicate()
    assert "step 2\n" not in err
    assert "step 3\n" in err
    assert manifest(json.loads(out))["content"] == undisturbed["content"]


def test_who_does_not_stop_in_time_is_ended(store: str) -> None:
    """Nothing is published, and the next try goes on; a stage that is not asked to stop has all the time it needs."""
    before = "import tasks.stages.stage as stage; stage.STOP_SECONDS = 1"
    slow = start_toy(store, steps=2, pause=5.0, before=before)
    wait_for(slow, "step 0")
    asked = 0
    while slow.poll() is None and asked < 40:  # being asked again gives no more time
        slow.send_signal(signal.SIGTERM)
        asked += 1
        time.sleep(0.1)
    slow.communicate()
    assert slow.returncode == -signal.SIGALRM
    assert asked < 40
    assert manifests(store) == []
    unasked = start_toy(store, steps=2, pause=1.0, before=before)
    unasked.communicate()
    assert unasked.returncode == 0


def test_bad_input_leaves_with_64(store: str) -> None:
    child = start(store, "sft.learning_rate=0.5")
    assert (child.communicate()[0], child.returncode) == ("", 64)


def test_two_jobs_at_once_both_succeed_with_one_artifact(store: str) -> None:
    children = [start(store, "sft.epochs=4", pause=0.1) for _ in range(2)]
    envelopes = [json.loads(child.communicate()[0]) for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert envelopes[0]["artifact"] == envelopes[1]["artifact"]
    assert len(manifests(store)) == 1
    assert call(store, "sft.epochs=4")["cached"]


def test_who_stumbles_over_a_second_process_that_has_finished_takes_its_artifact(store: str) -> None:
    """The one that finishes takes the checkpoints away, under the other's feet; without it the fault is told."""

    def stumble(context: StageContext) -> Mapping[str, float]:
        made.append(call(store))
        raise BadInput("checkpoint 3", "no such artifact (no manifest)")

    made: list[dict[str, Any]] = []
    again = call(store, stage=dataclasses.replace(STAGE, run=stumble))
    assert again["artifact"] == made[0]["artifact"]
    assert (made[0]["cached"], again["cached"]) == (False, True)

    def fall(context: StageContext) -> Mapping[str, float]:
        raise BadInput("checkpoint 3", "no such artifact (no manifest)")

    with pytest.raises(BadInput, match="checkpoint 3"):
        call(store, "sft.epochs=3", stage=dataclasses.replace(STAGE, run=fall))


def test_a_store_that_cannot_be_written_is_refused_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match="cannot be written"):
        call(f"file://{tmp_path}/file")


def test_every_try_of_a_stage_is_one_tracked_run(
    tracked: str, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.tracking.server import MlflowServer

    child = start(store, "sft.epochs=6", pause=0.3)
    wait_for(child, "step 2")
    child.send_signal(signal.SIGTERM)
    child.communicate()
    envelope = call(store, "sft.epochs=6")
    server = MlflowServer(tracked)
    found = server.get("metrics/get-history", run_id=envelope["mlflow_run_id"], metric_key="toy/step")
    assert [int(point.get("step", 0)) for point in found["metrics"]] == list(range(6))
    run = server.get("runs/get", run_id=envelope["mlflow_run_id"])["run"]
    assert run["info"]["status"] == "FINISHED"
    assert {tag["key"]: tag["value"] for tag in run["data"]["tags"]}["artifact"] == envelope["artifact"]


def test_a_cached_stage_is_a_child_of_the_new_parent_and_names_its_maker(
    tracked: str, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.tracking.server import MlflowServer

    monkeypatch.setenv("PSGPO_PARENT_RUN", "first-parent")
    made = call(store)
    assert call(store)["cached"]
    monkeypatch.setenv("PSGPO_PARENT_RUN", "second-parent")
    assert call(store)["cached"]
    server = MlflowServer(tracked)
    experiment = server.get("runs/get", run_id=made["mlflow_run_id"])["run"]["info"]["experiment_id"]
    found = server.post("runs/search", {"experiment_ids": [experiment]})["runs"]
    by_parent = {
        tags["mlflow.parentRunId"]: tags
        for tags in ({t["key"]: t["value"] for t in r["data"]["tags"]} for r in found)
    }
    assert len(found) == 2
    assert "cached" not in by_parent["first-parent"]
    assert by_parent["second-parent"]["made_by"] == made["mlflow_run_id"]
