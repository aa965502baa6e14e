"""What an older revision has left behind is read, made anew, or refused with the way on; nothing of it stops a new run."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from infra.local.environment import needs_migration, record_migration
from infra.local.settings import Settings
from tasks.costs import read_costs
from tasks.errors import EXIT_BAD_INPUT, BadInput
from tasks.profiles import load_config
from tasks.sandbox import Limits, Program, Sandbox, cache
from tasks.sandbox.program import CallTests, Case
from tasks.store import Checkpoints, open_store, publish
from tasks.store.artifacts import artifact_key, digest_of, seal_of
from tasks.tracking.runs import open_tracker
from tests import servers
from tests.chaos.tracked import tracked_below
from tests.conftest import free_port
from tests.stages.toy import main

pytestmark = pytest.mark.usefixtures("_default_signals")
KEY = artifact_key("model", "ab" * 32)
PROGRAM = Program("def f(n):\n    return n\n", CallTests("f", (Case((1,), 1),)), Limits())


@pytest.fixture
def _default_signals() -> Any:
    import signal

    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def make_older(manifest: Path) -> None:
    """As a revision of format 0 would have written it."""
    told = json.loads(manifest.read_text())
    del told["seal"]
    told["format"] = 0
    told["seal"] = seal_of(told)
    manifest.write_text(json.dumps(told, indent=1, sort_keys=True))


def test_a_stage_names_its_older_artifact_and_makes_it_anew_in_another_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(f"file://{tmp_path}/old", "sft.epochs=3") == 0
    (manifest,) = tmp_path.glob("old/toy/*/*/_manifest.json")
    content = json.loads(manifest.read_text())["content"]
    make_older(manifest)
    assert main(f"file://{tmp_path}/old", "sft.epochs=3") == EXIT_BAD_INPUT
    told = capsys.readouterr().err
    assert "has format 0, this revision reads 1" in told
    assert "another store" in told
    assert main(f"file://{tmp_path}/new", "sft.epochs=3") == 0
    (anew,) = tmp_path.glob("new/toy/*/*/_manifest.json")
    assert json.loads(anew.read_text())["content"] == content


def test_an_older_checkpoint_is_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The stage starts from a whole one, here from none."""
    checkpoints = Checkpoints(open_store(f"file://{tmp_path}/store"), "ab" * 32, tmp_path / "cache")
    for number in (1, 2):
        checkpoints.save(number, lambda folder: (folder / "state").write_text("x") and None)
    assert (checkpoints.latest() or (0,))[0] == 2
    make_older(tmp_path / "store" / checkpoints.root / "00000002" / "_manifest.json")
    assert (checkpoints.latest() or (0,))[0] == 1
    assert "checkpoint 2 is passed over" in capsys.readouterr().err


def test_costs_of_a_revision_with_other_settings_are_passed_over(tmp_path: Path) -> None:
    store, made = open_store(f"file://{tmp_path}/store"), tmp_path / "made"
    made.mkdir()
    (made / "file").write_text("x")
    planned = load_config("smoke").model_dump(mode="json")
    read = {name: planned[name] for name in ("sft", "ppo", "baseline", "cell")}
    older = {"sft": {"rounds": 3}, "cell": {"arm": "", "seed": 0}}
    gone = {**read, "section_since_removed": {"x": 1}}
    for number, config in enumerate((read, older, gone)):
        identity = {"stage": "sft", "config": config}
        about = {"kind": "model", "identity": identity, "metrics": {}, "seconds": 7.0 + number}
        publish(store, artifact_key("model", digest_of({"number": number})), made, about)
    costs = read_costs(store)
    assert sorted(record.seconds for record in costs.records["sft"]) == [7.0, 9.0]
    assert costs.seconds("sft", planned) == 7.0


def test_a_tracking_buffer_of_another_revision_is_kept_and_stops_nothing(
    tracked: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PSGPO_CACHE", str(tmp_path / "buffer"))
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "chaos")
    monkeypatch.setenv("PSGPO_PARENT_RUN", "upgrade")
    with open_tracker("toy", "ab" * 32, "first", {}) as tracker:
        tracker.log({"toy/step": 1.0}, 1)
    (root,) = (tmp_path / "buffer" / "tracking").iterdir()
    foreign = {"run-new": {"server": tracked, "since_added": 1}, "run-old": {"server": tracked}}
    for name, identity in foreign.items():
        (root / name).mkdir()
        (root / name / "run.json").write_text(json.dumps(identity))
        (root / name / "points.jsonl").write_text('{"step": 1, "time": 1, "metrics": {"x": 1.0}}\n')
    for label in ("second", "third"):
        with open_tracker("toy", digest_of({"label": label}), label, {}) as tracker:
            tracker.log({"toy/step": 2.0}, 2)
    told = capsys.readouterr().err
    for name in foreign:
        assert (root / f"unread-{name}" / "points.jsonl").exists()
        assert told.count(f"unread-{name} cannot be read and is kept") == 1
    assert len(tracked_below(tracked, "upgrade").runs) == 3


def test_verdicts_under_older_rules_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def verdicts_known() -> int:
        with Sandbox.open(workers=1, cache=tmp_path / "verdicts") as sandbox:
            assert sandbox.submit(PROGRAM).result().status == "passed"
        with sqlite3.connect(tmp_path / "verdicts" / "verdicts.sqlite") as database:
            return int(database.execute("SELECT count(*) FROM verdicts").fetchone()[0])

    assert [verdicts_known(), verdicts_known()] == [1, 1]
    monkeypatch.setattr(cache, "RULES", cache.RULES + 1)
    assert verdicts_known() == 2


def test_an_older_airflow_database_is_migrated(tmp_path: Path) -> None:
    settings = Settings(tmp_path, 1, 2)
    settings.airflow_home.mkdir()
    assert needs_migration(settings)
    (settings.airflow_home / "airflow.db").touch()
    record_migration(settings)
    assert not needs_migration(settings)
    (settings.airflow_home / "migrated").write_text("3.1.0")
    assert needs_migration(settings)


@pytest.mark.usefixtures("mlflow_server")
def test_an_older_mlflow_database_is_refused_with_the_way_on(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """By MLflow itself, whose last words the stack shows. The database is that of the tests' server."""
    made = next(tmp_path_factory.getbasetemp().glob("mlflow*/mlflow.db"))
    with sqlite3.connect(made) as database, sqlite3.connect(tmp_path / "mlflow.db") as copy:
        database.backup(copy)
        copy.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    with pytest.raises(RuntimeError, match="mlflow db upgrade"):
        servers.mlflow_server(tmp_path, free_port()).start()


def test_an_older_profile_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "older.yaml").write_text("profile: smoke\nsft:\n  rounds: 3\n")
    with pytest.raises(BadInput, match="rounds"):
        load_config(str(tmp_path / "older.yaml"))
