"""`verify` finds any change anywhere in a model's history, and names it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tasks.__main__ import main
from tasks.errors import BadInput
from tasks.profiles import load_config
from tasks.stages.stage import Job, run_stage
from tasks.store import digest_of
from tasks.store.artifacts import content_hash, hash_file, seal_of
from tasks.tracking.registry import POLICY_MODEL, Registry
from tasks.tracking.server import MlflowServer
from tasks.verify import verify_chain
from tests.stages.toy import STAGE

DEPTH = 3


@pytest.fixture
def chain(tmp_path: Path) -> list[Path]:
    """Folders of three artifacts, the last one made from both others."""
    made: list[str] = []
    for number in range(DEPTH):
        given = dict(zip(("before", "other"), [(uri,) for uri in made], strict=False))
        job = Job(load_config("demo", [f"sft.epochs={number + 1}"]), given, f"file://{tmp_path}/store")
        made.append(str(run_stage(STAGE, job)["artifact"]))
    return [Path(uri.removeprefix("file://")) for uri in made]


def verify(folder: Path) -> int:
    return len(list(verify_chain(f"file://{folder}")))


def rewrite(folder: Path, **changes: Any) -> None:
    """Change a manifest and seal it again, as somebody would who knows the format."""
    manifest = {**json.loads((folder / "_manifest.json").read_text()), **changes}
    manifest["seal"] = seal_of(manifest)
    (folder / "_manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True))


def test_an_untouched_chain_is_whole(chain: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(chain[-1]) == DEPTH
    assert main(["verify", f"file://{chain[-1]}"]) == 0
    assert "3 artifacts verified" in capsys.readouterr().out


@pytest.mark.parametrize("victim", range(DEPTH))
@pytest.mark.parametrize("name", ["state", "_manifest.json"])
def test_any_changed_byte_is_found_and_named(
    chain: list[Path], victim: int, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = chain[victim] / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert main(["verify", f"file://{chain[-1]}"]) == 64
    assert str(path) in capsys.readouterr().err


@pytest.mark.parametrize("victim", range(DEPTH))
def test_an_added_file_and_a_missing_artifact_are_found(chain: list[Path], victim: int) -> None:
    (chain[victim] / "added.json").write_text("{}")
    with pytest.raises(BadInput, match=r"added\.json: is not named"):
        verify(chain[-1])
    shutil.rmtree(chain[victim])
    with pytest.raises(BadInput, match="no such artifact"):
        verify(chain[-1])


def test_an_input_replaced_by_a_consistent_forgery_is_found(chain: list[Path]) -> None:
    (chain[0] / "state").write_text("forged")
    files = {"state": {"size": 6, "sha256": hash_file(chain[0] / "state")}}
    rewrite(chain[0], files=files, content=content_hash(files))
    assert verify(chain[0]) == 1  # by itself it looks whole
    with pytest.raises(BadInput, match=r"is not what .* was made from"):
        verify(chain[-1])


def test_a_forged_identity_does_not_fit_its_address(chain: list[Path]) -> None:
    identity = json.loads((chain[0] / "_manifest.json").read_text())["identity"]
    rewrite(chain[0], identity={**identity, "version": 9})
    with pytest.raises(BadInput, match="has a digest that is not its identity's"):
        verify(chain[0])


def test_an_alias_is_looked_up_and_held_to_what_was_registered(
    tracked: str, chain: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    registry = Registry(MlflowServer(tracked))
    seal = json.loads((chain[-1] / "_manifest.json").read_text())["seal"]
    tags = {"digest": digest_of({"test": str(chain[-1])}), "seal": seal}
    version = registry.register(POLICY_MODEL, f"file://{chain[-1]}", "f" * 32, tags)
    registry.set_alias(version, "verified-in-a-test")
    assert main(["verify", f"{POLICY_MODEL}@verified-in-a-test"]) == 0
    assert main(["verify", "verified-in-a-test"]) == 0
    rewrite(chain[-1], metrics={"steps": 99})
    assert main(["verify", "verified-in-a-test"]) == 64
    assert "is not the artifact that was registered" in capsys.readouterr().err


def test_an_unknown_alias_and_no_server_are_bad_input(
    tracked: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "nobody"]) == 64
    assert "alias 'nobody': is not in the registry" in capsys.readouterr().err
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert main(["verify", "nobody"]) == 64
    assert "needs MLFLOW_TRACKING_URI" in capsys.readouterr().err
