"""Policy optimisation as a stage: what it writes, what arms share, and that a kill changes nothing."""

from __future__ import annotations

import json
import sys

import pytest

from tasks.errors import BadInput, TryAgain
from tests.stages.killing import command, content_of, kill_after_checkpoint


def curves(folder):
    return json.loads((folder / "curves.json").read_text())


@pytest.fixture(scope="module")
def inputs(micro):
    """An SFT policy that passes now and then: without any reward nothing would change, and every check would hold."""
    given = {"problems": micro.problems(), "model": micro.model()}
    sft = micro.stage("sft", "sft.epochs=40", "sft.batch_size=8", "sft.learning_rate=5e-3", **given)[
        "artifact"
    ]
    return {"problems": micro.problems(), "sft": sft}


@pytest.fixture(scope="module")
def prm(micro, tmp_path_factory):
    """A PRM that knows nothing: a value model on the SFT trunk with a random head, published like a fitted one."""
    import torch

    from tasks.method.value_model import ValueModel
    from tasks.sampling.models import load_language_model
    from tasks.store import open_store, publish
    from tasks.store.artifacts import artifact_key

    folder = tmp_path_factory.mktemp("prm")
    model, tokenizer = load_language_model(micro.sft().removeprefix("file://"))
    value_model = ValueModel.from_language_model(model)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.nn.init.normal_(value_model.head.weight)
    value_model.save(folder, tokenizer)
    store, key = open_store(micro.store), artifact_key("prm", "ab" * 32)
    publish(
        store,
        key,
        folder,
        {"kind": "prm", "identity": {}, "input_artifacts": {}, "metrics": {}, "seconds": 0},
    )
    return f"{store.uri}/{key}"


def test_the_baseline_keeps_evenly_spaced_checkpoints_and_the_last_is_the_policy(micro, files, inputs):
    folder = files(micro.stage("train_policy", "cell.arm=baseline", "baseline.steps=4", **inputs)["artifact"])
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == ["1", "2"]
    first, last, final = (
        (folder / name / "model.safetensors").read_bytes()
        for name in ("checkpoints/1", "checkpoints/2", "policy")
    )
    assert last == final != first
    assert [row["step"] for row in curves(folder)] == [1, 2, 3, 4]


def test_arms_of_one_seed_draw_the_same_first_batch(micro, files, inputs, prm):
    sampled = ("train/pass_rate", "train/response_tokens", "train/lines", "train/kl")
    first = {}
    for arm in ("rl", "dense", "value_init", "psgpo", "fraction_of_tests", "rltf", "random_prm", "prime"):
        given = inputs | ({"prm": prm} if arm in ("dense", "value_init", "psgpo") else {})
        rows = curves(files(micro.stage("train_policy", f"cell.arm={arm}", **given)["artifact"]))
        assert len(rows) == 2
        assert not (
            files(micro.stage("train_policy", f"cell.arm={arm}", **given)["artifact"]) / "checkpoints"
        ).exists()
        first[arm] = [rows[0][name] for name in sampled]
        dense = rows[0]["train/prm_return"] != 0
        assert dense == (arm in ("dense", "psgpo", "random_prm"))
        assert ("train/implicit_loss" in rows[0]) == (arm == "prime")
    assert all(values == first["rl"] for values in first.values())
    other = micro.stage("train_policy", "cell.arm=rl", "cell.seed=1", **inputs)
    assert [curves(files(other["artifact"]))[0][name] for name in sampled] != first["rl"]


def test_an_alarm_stops_the_run_with_its_last_checkpoint_kept_or_only_warns(micro, files, inputs, capsys):
    settings = ("cell.arm=rl", "cell.seed=2", "ppo.steps=4", "ppo.checkpoint_every=1")
    watched = (*settings, "ppo.monitors.kl_limit=1e-6")
    before = set(files(micro.store).glob("_checkpoints/*/*"))
    with pytest.raises(BadInput, match=r"rl/seed2 step 3: KL .* limit 1e-06; allowed: .*on_kl=warn"):
        micro.stage("train_policy", *watched, **inputs)
    kept = set(files(micro.store).glob("_checkpoints/*/*")) - before
    assert {folder.name for folder in kept if (folder / "_manifest.json").exists()} == {
        "00000001",
        "00000002",
    }
    capsys.readouterr()
    warned = micro.stage("train_policy", *watched, "ppo.monitors.on_kl=warn", **inputs)
    assert "warning: train_policy rl/seed2 step 3: KL" in capsys.readouterr().err
    quiet = micro.stage("train_policy", *settings, **inputs)
    assert "warning" not in capsys.readouterr().err
    assert curves(files(warned["artifact"])) == curves(files(quiet["artifact"]))


def test_an_infinite_learning_rate_stops_the_run_and_names_the_place(micro, inputs):
    with pytest.raises(BadInput, match=r"step \d, .*phase .*allowed: a lower ppo.learning_rate"):
        micro.stage("train_policy", "cell.arm=rl", "ppo.learning_rate=1e30", "ppo.steps=3", **inputs)


@pytest.mark.parametrize("method", ["copy", "affine", "calibrate", "refit", "trunk"])
def test_every_way_to_start_the_critic_runs(micro, files, inputs, prm, method):
    settings = (
        "cell.arm=psgpo",
        f"value_init.method={method}",
        "value_init.responses=12",
        "ppo.steps=1",
    )
    (row,) = curves(files(micro.stage("train_policy", *settings, **inputs, prm=prm)["artifact"]))
    assert row["train/value_loss"] > 0


def test_of_a_trunk_alone_the_critic_says_nothing_yet_and_learns_otherwise(micro, files, inputs, prm):
    """At the first update it is rl's critic, which predicts 0; at the second the PRM's trunk makes a difference."""
    losses = {}
    for name, settings in (
        ("rl", ("cell.arm=rl",)),
        ("trunk", ("cell.arm=value_init", "value_init.method=trunk")),
        ("copy", ("cell.arm=value_init", "value_init.method=copy")),
    ):
        given = inputs if name == "rl" else {**inputs, "prm": prm}
        made = micro.stage("train_policy", *settings, "ppo.steps=2", **given)
        losses[name] = [row["train/value_loss"] for row in curves(files(made["artifact"]))]
    assert losses["trunk"][0] == losses["rl"][0] != losses["copy"][0]
    assert losses["trunk"][1] != losses["rl"][1]


def test_killed_and_run_again_it_gives_the_same_content(micro, files, inputs, tmp_path):
    long = ("cell.arm=baseline", "baseline.steps=6", "ppo.checkpoint_every=2", "ppo.kl_target=0.5")
    settings = (*sys.modules[type(micro).__module__].MICRO, *long)
    other = type(micro)(tmp_path)
    kill_after_checkpoint(command("train_policy", other.store, settings, **inputs), other.store, 4)
    resumed, whole = (run.stage("train_policy", *long, **inputs) for run in (other, micro))
    assert not resumed["cached"]
    assert content_of(files(resumed["artifact"])) == content_of(files(whole["artifact"]))
    assert curves(files(resumed["artifact"])) == curves(files(whole["artifact"]))


def test_a_sandbox_that_fails_too_often_stops_the_run(micro, inputs, monkeypatch):
    from tasks.sandbox.program import Verdict
    from tasks.stages import training

    real = training.collect

    def blinded(*arguments):
        import dataclasses

        responses, timing = real(*arguments)
        blind = Verdict("no_verdict", 0, 8, 0.0)
        return [dataclasses.replace(responses[0], verdict=blind), *responses[1:]], timing

    monkeypatch.setattr(training, "collect", blinded)
    with pytest.raises(TryAgain, match="step 0: the sandbox gave no verdict for 12% of the responses"):
        micro.stage("train_policy", "cell.arm=rl", "cell.seed=5", **inputs)
    folder = micro.stage("train_policy", "cell.arm=rl", "cell.seed=5", "ppo.max_no_verdict=0.2", **inputs)
    assert folder["metrics"]["response_tokens"] > 0


@pytest.mark.parametrize(
    "settings, named",
    [
        (("cell.arm=psgpo",), "prm.*missing"),
        ((), "cell.arm.*baseline"),
        (("cell.arm=rl", "ppo.temperature=0"), "ppo.temperature"),
        (("cell.arm=rl", "ppo.difficulty_min=7", "ppo.difficulty_max=7"), "has no problems"),
        (("cell.arm=rl", "ppo.max_new_tokens=100000"), "exceeds the model's context"),
    ],
)
def test_bad_configurations_are_refused(micro, inputs, settings, named):
    with pytest.raises(BadInput, match=named):
        micro.stage("train_policy", *settings, **inputs)
