"""The plan refuses, before anything is spent, what can be known to fail; and says what will run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.__main__ import main
from tasks.plan import previous_labels
from tasks.store import open_store, publish
from tasks.store.artifacts import artifact_key, discard, split_address
from tasks.tracking.registry import Registry
from tasks.tracking.server import MlflowServer


def plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], conf: dict[str, Any], *more: str
) -> tuple[int, Any, str]:
    """Exit code, the envelope (None if there is none), and stderr."""
    argv = [
        "plan",
        "--run-id",
        "run",
        "--store",
        f"file://{tmp_path / 'store'}",
        "--conf",
        json.dumps(conf),
        *more,
    ]
    code = main(argv)
    captured = capsys.readouterr()
    return code, json.loads(captured.out.splitlines()[-1]) if captured.out else None, captured.err


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_cells_and_checkpoints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conf = {"profile": "smoke", "arms_arms": ["rl", "psgpo"], "arms_n_seeds": 2}
    code, envelope, _ = plan(tmp_path, capsys, conf, "--set", "baseline.checkpoints=2")
    assert code == 0
    assert [cell["label"] for cell in envelope["cells"]] == [
        "rl/seed0",
        "rl/seed1",
        "psgpo/seed0",
        "psgpo/seed1",
    ]
    assert [cell["needs_prm"] for cell in envelope["cells"]] == [False, False, True, True]
    assert envelope["checkpoints"] == [
        {"checkpoint": 1, "label": "checkpoint 1/2"},
        {"checkpoint": 2, "label": "checkpoint 2/2"},
    ]
    assert envelope["profile"] == "smoke"
    assert envelope["overrides"] == ['arms.arms=["rl", "psgpo"]', "arms.n_seeds=2", "baseline.checkpoints=2"]


def test_no_checkpoints_when_no_arm_needs_a_prm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, envelope, _ = plan(tmp_path, capsys, {"arms_arms": ["rl", "rltf"]})
    assert envelope["checkpoints"] == []


def test_envelope_fits_an_xcom(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    every_arm = ["rl", "rl_long", "dense", "value_init", "psgpo", "fraction_of_tests", "rltf", "random_prm"]
    _, envelope, _ = plan(tmp_path, capsys, {"arms_arms": every_arm, "arms_n_seeds": 5})
    assert len(json.dumps(envelope)) < 4096


@pytest.mark.parametrize(
    ("conf", "named"),
    [
        ({"nonsense": 1}, "parameter 'nonsense': is unknown; allowed: profile, model_source"),
        ({"profile": "huge"}, "profile 'huge': is neither a profile nor a file; allowed: arms, demo"),
        ({"ppo_learning_rate": -1}, "ppo.learning_rate: Input should be greater than 0"),
        ({"ppo_steps": "many"}, "ppo.steps: Input should be a valid integer"),
        ({"arms_arms": ["best"]}, "arms.arms.0: Input should be 'rl', 'rl_long'"),
        ({"overrides": "ppo.nonsense=1"}, "ppo.nonsense: Extra inputs are not permitted"),
        ({"data_steps_min": 8, "data_steps_max": 1}, "steps_min 8 must not exceed steps_max 1"),
        (
            {"model_source": "/no/such/model"},
            "model.source: '/no/such/model' does not exist; allowed: tiny, a folder",
        ),
        ({"data_source": "/no/problems.jsonl"}, "data.source: '/no/problems.jsonl' is no file"),
        (
            {"baseline_steps": 3, "baseline_checkpoints": 4},
            "baseline.checkpoints: 4 is too many; allowed: at most 3",
        ),
        (
            {"ppo_difficulty_min": 7, "ppo_difficulty_max": 5},
            "ppo.difficulty_min: 7 exceeds difficulty_max 5",
        ),
        (
            {"data_steps_max": 2, "ppo_difficulty_min": 5, "ppo_difficulty_max": 7},
            "ppo.difficulty_min: no training problem has difficulty 5 to 7",
        ),
    ],
)
def test_refused_by_name(
    conf: dict[str, Any], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, envelope, error = plan(tmp_path, capsys, conf)
    assert (code, envelope) == (64, None)
    assert named in error


def test_a_folder_without_safetensors_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").touch()
    (tmp_path / "tokenizer_config.json").touch()
    (tmp_path / "pytorch_model.bin").touch()
    code, _, error = plan(tmp_path, capsys, {"model_source": str(tmp_path)})
    assert (code, "holds no *.safetensors" in error) == (64, True)
    (tmp_path / "model.safetensors").touch()
    assert plan(tmp_path, capsys, {"model_source": str(tmp_path)})[0] == 0


def test_a_store_that_cannot_be_written_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    code, _, error = plan(tmp_path, capsys, {}, "--store", f"file://{tmp_path}/file/store")
    assert (code, "cannot be written" in error) == (64, True)


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_conf_must_be_a_mapping(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = plan(tmp_path, capsys, {}, "--conf", text)
    assert (code, error.startswith("error: --conf")) == (64, True)


def test_labels_before_are_those_of_the_champion_s_prm_that_are_still_there(
    tmp_path: Path, tracked: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr("tasks.tracking.registry.PRM_MODEL", request.node.name)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracked)
    assert previous_labels() == []
    store = open_store(f"file://{tmp_path}/store")
    made = tmp_path / "made"
    made.mkdir()
    (made / "file").write_text("x")

    def put(kind: str, mark: str, **inputs: list[str]) -> str:
        key = artifact_key(kind, mark * 64)
        publish(store, key, made, {"kind": kind, "input_artifacts": inputs})
        return f"{store.uri}/{key}"

    labels = [put("labels", mark) for mark in "ab"]
    prm = put("prm", "c", labels=labels, problems=[put("problems", "d")])
    registry = Registry(MlflowServer(tracked))
    version = registry.register(request.node.name, prm, "f" * 32, {"digest": "c" * 64})
    assert previous_labels() == []  # a PRM that is no champion is no version before
    registry.set_alias(version, "champion")
    assert previous_labels() == labels
    discard(store, split_address(labels[0])[1])
    assert previous_labels() == labels[1:]
    discard(store, split_address(prm)[1])
    assert previous_labels() == []
