"""What is to be evaluated is found, or refused by name, before anything is spent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.__main__ import main
from tasks.errors import BadInput
from tasks.form import EVALUATION, form_fields, read_form
from tasks.plan_evaluation import all_models, find_model
from tasks.profiles import load_config
from tasks.store import open_store, publish
from tasks.tracking.registry import POLICY_MODEL, Registry
from tasks.tracking.server import configured_server


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"file://{tmp_path}/store"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A folder that looks like a checkpoint to the plan, which reads no weights."""
    folder = tmp_path / "my-model"
    folder.mkdir()
    for name in ("config.json", "tokenizer_config.json", "model.safetensors"):
        (folder / name).write_text("{}")
    return folder


def artifact(
    store: str, folder: Path, kind: str = "policy", stage: str = "train_policy", mark: str = "a"
) -> str:
    """Address of an artifact with a manifest like a policy's."""
    key = f"{kind}/{mark * 2}/{mark * 64}"
    manifest = {
        "kind": kind,
        "label": f"{stage} psgpo/seed1",
        "identity": {"stage": stage},
        "input_artifacts": {"problems": [f"{store}/problems/bb/{'b' * 64}"]},
    }
    publish(open_store(store), key, folder, manifest)
    return f"{store}/{key}"


def plan(capsys: pytest.CaptureFixture[str], store: str, conf: dict) -> tuple[int, dict | None, str]:
    code = main(["plan-evaluation", "--run-id", "run", "--store", store, "--conf", json.dumps(conf)])
    captured = capsys.readouterr()
    return code, json.loads(captured.out.splitlines()[-1]) if captured.out else None, captured.err


def test_a_folder_is_brought_and_an_artifact_is_taken(capsys, store, checkpoint):
    address = artifact(store, checkpoint)
    conf = {"compare_models": [str(checkpoint), address], "compare_benchmarks": ["stepcode", "humaneval"]}
    code, found, _ = plan(capsys, store, conf)
    assert code == 0
    assert found["models"] == [
        {"label": "my-model", "settings": {"model.source": str(checkpoint), "model.revision": ""}},
        {
            "label": "psgpo/seed1 aaaaaaaa",
            "artifact": address,
            "training": f"{store}/problems/bb/{'b' * 64}",
        },
    ]
    assert [one["label"] for one in found["benchmarks"]] == ["stepcode", "humaneval"]


def test_a_policy_s_folder_in_a_store_on_disk_is_that_artifact(tmp_path, checkpoint):
    made = tmp_path / "made" / "policy"
    made.parent.mkdir()
    checkpoint.rename(made)
    address = artifact(f"file://{tmp_path}/store", made.parent)
    assert find_model(address.removeprefix("file://")) == find_model(address)
    assert find_model(f"{address.removeprefix('file://')}/policy").name == "policy"


def test_the_overrides_make_a_valid_configuration_without_the_lists(capsys, store, checkpoint):
    conf = {"compare_models": [str(checkpoint)], "evaluation_samples": 5, "compare_with_champion": "false"}
    _, found, _ = plan(capsys, store, conf)
    config = load_config(found["profile"], found["overrides"])
    assert (config.evaluation.samples, config.evaluation.problems, config.evaluation.temperature) == (5, 0, 0)
    assert config.compare.models == ()


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({}, "compare.models: are none, and there is no champion"),
        ({"compare_models": ["/absent/model"]}, "'/absent/model' does not exist"),
        ({"compare_models": ["file:///absent/policy/aa/" + "a" * 64]}, "no such artifact|cannot"),
        ({"compare_models": ["file:///nowhere"]}, "is not an artifact address"),
        ({"compare_models": ["champion"]}, "needs MLFLOW_TRACKING_URI"),
        ({"compare_models": ["models:/"]}, "names no registered model"),
        ({"compare_benchmarks": []}, "compare.models"),
        ({"compare_benchmarks": ["apps"]}, "compare.benchmarks"),
        ({"compare_model": ["x"]}, "parameter 'compare_model': is unknown; allowed: compare_models"),
        ({"profile": "smoke"}, "parameter 'profile': is unknown"),
    ],
)
def test_what_is_not_there_is_refused_by_name(capsys, store, conf, message):
    code, found, told = plan(capsys, store, conf)
    assert (code, found) == (64, None)
    assert any(part in told for part in message.split("|")), told


def test_a_missing_benchmark_file_is_refused(capsys, store, checkpoint, tmp_path):
    conf = {
        "compare_models": [str(checkpoint)],
        "compare_benchmarks": ["mbpp"],
        "benchmark_source": str(tmp_path),
    }
    code, _, told = plan(capsys, store, conf)
    assert code == 64
    assert "holds no file of mbpp" in told


def test_only_models_can_be_evaluated(store, checkpoint):
    with pytest.raises(BadInput, match="is a labels artifact"):
        find_model(artifact(store, checkpoint, kind="labels", stage="label_prefixes"))


def test_a_base_model_was_trained_on_nothing_we_know(store, checkpoint):
    assert find_model(artifact(store, checkpoint, kind="model", stage="prepare_model")).training == ""
    assert find_model(artifact(store, checkpoint, kind="model", stage="sft", mark="c")).training != ""


def test_names_are_told_apart_and_fit_a_metric(store, checkpoint, tmp_path):
    other = tmp_path / "elsewhere" / "my-model"
    other.parent.mkdir()
    checkpoint.rename(tmp_path / "odd (name)")
    odd = tmp_path / "odd (name)"
    other.mkdir()
    for file in odd.iterdir():
        (other / file.name).write_text("{}")
    config = load_config("demo", [f"compare.models={json.dumps([str(odd), str(other), f'{other}/'])}"])
    assert [model.name for model in all_models(config)] == ["odd _name_", "my-model", "my-model-2"]


def test_the_champion_comes_first_and_aliases_are_found(tracked, store, checkpoint):
    address = artifact(store, checkpoint)
    config = load_config("demo", [f"compare.models={json.dumps([str(checkpoint), address])}"])
    assert [model.name for model in all_models(config)] == ["my-model", "psgpo/seed1 aaaaaaaa"]
    registry = Registry(configured_server())
    version = registry.register(POLICY_MODEL, address, run_id(), {"digest": "a" * 64, "seal": "s"})
    registry.set_alias(version, "champion")
    assert [model.name for model in all_models(config)] == ["champion", "my-model"]
    for wanted in ("champion", f"{POLICY_MODEL}@champion", f"models:/{POLICY_MODEL}/{version.version}"):
        assert find_model(wanted).artifact == address
    with pytest.raises(BadInput, match="not in the registry"):
        find_model("challenger")
    registry.delete_alias(POLICY_MODEL, "champion")


def run_id() -> str:
    """A run for the registered version to point at: the registry wants one for local artifacts."""
    server = configured_server()
    experiment = server.post("experiments/create", {"name": "models to evaluate"})["experiment_id"]
    return server.post("runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"]


def test_the_form_is_greedy_on_all_problems_unless_told_otherwise():
    config = load_config(*read_form({}, EVALUATION))
    assert (config.evaluation.samples, config.evaluation.temperature, config.evaluation.problems) == (1, 0, 0)
    by_key = {field.key: field for field in form_fields(EVALUATION)}
    assert by_key["evaluation.samples"].description.endswith("Empty: 1. Setting: evaluation.samples")
    assert by_key["compare.with_champion"].schema == {"type": "string", "enum": ["true", "false"]}
    told = load_config(*read_form({"compare_with_champion": "false", "evaluation_samples": 3}, EVALUATION))
    assert (told.compare.with_champion, told.evaluation.samples) == (False, 3)
