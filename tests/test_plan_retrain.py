"""What is new is found at the source and in the registry; settings are the champion's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tasks.__main__ import main
from tasks.errors import BadInput
from tasks.plan_retrain import champion_settings, make_plan
from tasks.profiles import load_config
from tasks.stages.prepare_problems import STAGE as PREPARE
from tasks.stages.stage import RestrictedConfig, identity_of
from tasks.store import Store, digest_of, open_store, publish
from tasks.store.artifacts import artifact_key
from tasks.tracking.registry import POLICY_MODEL, ModelVersion


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"file://{tmp_path}/store")


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    path = tmp_path / "problems.jsonl"
    path.write_text("first\n")
    return path


def put(
    store: Store, folder: Path, kind: str, identity: Mapping[str, Any], inputs: Mapping[str, list[str]]
) -> str:
    """Address of an artifact with this identity; its content follows from it."""
    folder.mkdir(exist_ok=True)
    (folder / "file").write_text(json.dumps(identity))
    key = artifact_key(kind, digest_of(identity))
    manifest = {"kind": kind, "identity": identity, "input_artifacts": inputs}
    publish(store, key, folder, manifest)
    return f"{store.uri}/{key}"


def prepare(store: Store, tmp_path: Path, overrides: list[str]) -> tuple[str, str]:
    """Address and content of the problems that `prepare_problems` would make of the source as it is now."""
    config = RestrictedConfig(load_config("demo", overrides), PREPARE.sections)
    identity = identity_of(PREPARE, config, {})
    address = put(store, tmp_path / "out", "problems", identity, {})
    content = json.loads((Path(address.removeprefix("file://")) / "_manifest.json").read_text())["content"]
    return address, content


def train(store: Store, tmp_path: Path, overrides: list[str], arm: str = "psgpo") -> ModelVersion:
    """A registered policy that was trained on the source as it is now, with these settings."""
    problems, content = prepare(store, tmp_path, overrides)
    config = load_config("demo", overrides).model_dump(mode="json")
    config["cell"]["arm"] = arm

    def manifest(stage: str, kind: str, sections: tuple[str, ...], **inputs: str) -> str:
        identity = {"stage": stage, "config": {name: config[name] for name in sections}}
        given = {name: [address] for name, address in inputs.items()}
        return put(store, tmp_path / "out", kind, identity, given)

    sft = manifest("sft", "model", ("model", "sft"), problems=problems)
    policy = manifest("train_policy", "policy", ("ppo", "reward", "cell"), sft=sft, problems=problems)
    scores = manifest("evaluate", "scores", ("evaluation", "sandbox", "cell"), policy=policy)
    return ModelVersion(POLICY_MODEL, "1", {"artifact": policy, "evaluation": scores, "dataset": content})


def test_problems_that_changed_are_new_and_trained_with_the_champions_settings(
    store: Store, tmp_path: Path, problems: Path
) -> None:
    settings = [f"data.source={problems}", "ppo.steps=7", "evaluation.samples=5", "sft.epochs=1"]
    champion = train(store, tmp_path, settings)
    assert not make_plan(store, {}, champion, [champion])["new"]
    problems.write_text("second\n")
    plan = make_plan(store, {}, champion, [champion])
    assert plan["new"]
    assert plan["conf"]["profile"] == "demo"
    assert set(plan["conf"]["overrides"].splitlines()) == {
        f'data.source="{problems}"',
        "ppo.steps=7",
        "evaluation.samples=5",
        "sft.epochs=1",
        'arms.arms=["psgpo"]',
    }
    assert load_config("demo", plan["conf"]["overrides"].splitlines()).ppo.steps == 7


def test_its_own_output_is_no_news(store: Store, tmp_path: Path, problems: Path) -> None:
    """A challenger that lost was trained on the new problems all the same: they are not trained on again."""
    settings = [f"data.source={problems}"]
    champion = train(store, tmp_path, settings)
    problems.write_text("second\n")
    challenger = train(store, tmp_path, settings)
    assert not make_plan(store, {}, champion, [champion, challenger])["new"]
    assert make_plan(store, {}, champion, [champion])["new"]  # nobody registered it: it is still to be done


def test_changes_while_a_run_is_active_are_seen_by_the_next(
    store: Store, tmp_path: Path, problems: Path
) -> None:
    settings = [f"data.source={problems}"]
    champion = train(store, tmp_path, settings)
    problems.write_text("second\n")
    assert make_plan(store, {}, champion, [champion])["new"]
    second = train(store, tmp_path, settings)  # the active run, which read the file here
    problems.write_text("third\n")
    problems.write_text("fourth\n")
    assert make_plan(store, {}, champion, [champion, second])["new"]
    fourth = train(store, tmp_path, settings)
    assert not make_plan(store, {}, champion, [champion, second, fourth])["new"]


def test_generated_problems_are_never_new_twice(store: Store, tmp_path: Path) -> None:
    assert make_plan(store, {}, None, [])["new"]
    champion = train(store, tmp_path, [])
    plan = make_plan(store, {}, champion, [champion])
    assert not plan["new"]
    assert "nothing new" in plan["summary"]


def test_without_a_champion_the_profile_is_trained(store: Store) -> None:
    plan = make_plan(store, {"profile": "smoke", "arms_n_seeds": 2}, None, [])
    assert plan["conf"] == {"profile": "smoke", "overrides": "arms.n_seeds=2"}
    assert "profile smoke" in plan["summary"]


def test_the_form_comes_after_the_champions_settings(store: Store, tmp_path: Path, problems: Path) -> None:
    champion = train(store, tmp_path, ["sft.epochs=1"])
    plan = make_plan(store, {"data_source": str(problems), "overrides": "sft.epochs=2"}, champion, [champion])
    config = load_config(plan["conf"]["profile"], plan["conf"]["overrides"].splitlines())
    assert (config.data.source, config.sft.epochs, config.arms.arms) == (str(problems), 2, ("psgpo",))


def test_the_nearest_profile_is_found(store: Store, tmp_path: Path) -> None:
    smoke = load_config("smoke").model_dump(mode="json")
    flat = [f"{name}={json.dumps(smoke[name])}" for name in ("ppo", "model", "sft", "data", "evaluation")]
    settings = champion_settings(train(store, tmp_path, flat, arm="rl"))
    assert (settings.profile, settings.overrides) == ("smoke", ('arms.arms=["rl"]',))


def test_settings_that_no_longer_exist_are_left_out(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    identity = {"stage": "train_policy", "config": {"ppo": {"gone": 1, "steps": 9}, "cell": {"arm": "rl"}}}
    policy = put(store, tmp_path / "out", "policy", identity, {})
    settings = champion_settings(ModelVersion(POLICY_MODEL, "1", {"artifact": policy}))
    assert "ppo.steps=9" in settings.overrides
    assert "gone" not in " ".join(settings.overrides)
    assert capsys.readouterr().err == "setting ppo.gone is no more: left out\n"


def test_a_champion_whose_artifacts_are_gone_is_named(store: Store, tmp_path: Path) -> None:
    champion = train(store, tmp_path, [])
    (Path(champion.tags["artifact"].removeprefix("file://")) / "_manifest.json").unlink()
    with pytest.raises(BadInput, match="is gone"):
        make_plan(store, {}, champion, [champion])


@pytest.mark.parametrize(
    ("conf", "named"),
    [({"data_source": "/no/such.jsonl"}, "data.source"), ({"n_seeds": 1}, "'n_seeds'")],
)
def test_refused_by_name(conf: dict[str, Any], named: str, store: Store) -> None:
    with pytest.raises(BadInput, match=named):
        make_plan(store, conf, None, [])


def test_without_a_registry_it_refuses(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert main(["plan-retrain", "--run-id", "r", "--store", store.uri]) == 64
    assert "MLFLOW_TRACKING_URI" in capsys.readouterr().err


def test_with_an_empty_registry_everything_is_new(
    store: Store,
    tracked: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setattr("tasks.tracking.registry.POLICY_MODEL", request.node.name)
    assert (
        main(["plan-retrain", "--run-id", "r", "--store", store.uri, "--conf", '{"profile": "smoke"}']) == 0
    )
    plan = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert plan["new"]
    assert len(json.dumps(plan)) < 4096
