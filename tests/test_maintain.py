"""The command says what it would remove and removes it when asked; a registered model's chain stays."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tasks.__main__ import main
from tasks.store import Store, open_store, publish
from tasks.tracking.registry import Registry
from tasks.tracking.server import configured_server

DAY = 86400


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"file://{tmp_path}/store")


def put(store: Store, tmp_path: Path, mark: str, days: float, **inputs: str) -> str:
    source = tmp_path / "source"
    source.mkdir(exist_ok=True)
    (source / "file").write_text(mark)
    key = f"policy/{mark * 2}/{mark * 64}"
    given = {name: [address] for name, address in inputs.items()}
    publish(store, key, source, {"kind": "policy", "input_artifacts": given})
    for path in (tmp_path / "store" / key).iterdir():
        os.utime(path, (time.time() - days * DAY,) * 2)
    return f"{store.uri}/{key}"


def test_a_registered_chain_stays_and_the_rest_goes_when_asked(
    store: Store,
    tmp_path: Path,
    tracked: str,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    origin = put(store, tmp_path, "a", 90)
    model = put(store, tmp_path, "b", 90, sft=origin)
    used, unused = put(store, tmp_path, "c", 90), put(store, tmp_path, "d", 90)
    young = put(store, tmp_path, "e", 2)
    server = configured_server()
    assert server is not None
    run = server.post("runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
    Registry(server).register(request.node.name, model, run, {"digest": model[-64:]})

    def maintain(*more: str) -> tuple[list[str], dict[str, object]]:
        assert main(["maintain", "--store", store.uri, "--keep", used, *more]) == 0
        *lines, last = capsys.readouterr().out.splitlines()
        return [line.split(" ")[0] for line in lines], json.loads(last)

    lines, told = maintain()
    assert lines == [unused]
    assert (told["removed"], told["artifacts"], told["checked"]) == (False, 1, 5)
    assert Path(unused.removeprefix("file://")).is_dir()  # it was only said
    assert maintain("--older-than-days", "1")[0] == [unused, young]
    assert maintain("--older-than-days", "100")[0] == []
    assert maintain("--remove")[1]["bytes"] == told["bytes"]
    left = {f"file://{path.parent}" for path in (tmp_path / "store").rglob("_manifest.json")}
    assert left == {origin, model, used, young}
    assert maintain()[0] == []


def test_without_a_registry_nothing_is_looked_at(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unused = put(store, tmp_path, "d", 90)
    assert main(["maintain", "--store", store.uri, "--remove"]) == 64
    assert "MLFLOW_TRACKING_URI" in capsys.readouterr().err
    assert Path(unused.removeprefix("file://")).is_dir()


def test_too_few_days_are_refused(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["maintain", "--store", store.uri, "--older-than-days", "0"]) == 64
    assert "--older-than-days" in capsys.readouterr().err
