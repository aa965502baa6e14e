"""The data gate: good data passes, bad data stops the run, and whoever is stopped can read why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.errors import BadInput
from tasks.profiles import load_config
from tasks.rows import LABELS, PROBLEMS, RESPONSES, SAMPLES, RowKind, arrow_schema, write_rows
from tasks.stages import validate
from tasks.stages.stage import Job, run_stage
from tasks.store import digest_of, open_store, publish
from tasks.store.artifacts import artifact_key
from tasks.tracking.delivery import experiment_id
from tasks.tracking.server import MlflowServer
from tests.validation import rows

pytestmark = pytest.mark.slow


class Subjects:
    """Publishes tables as an artifact, and validates artifacts."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, f"file://{folder}/store"

    def publish(self, kind: str, tables: Mapping[RowKind, pd.DataFrame], summary: Any = None) -> str:
        made = self.folder / f"made-{len(list(self.folder.iterdir()))}"
        made.mkdir()
        for row_kind, frame in tables.items():
            write_rows(row_kind, frame.to_dict("records"), made / f"{row_kind.name}.parquet")
        if summary is not None:
            (made / "summary.json").write_text(json.dumps(summary))
        key = artifact_key(kind, digest_of({"made": made.name}))
        publish(open_store(self.store), key, made, {"kind": kind})
        return f"{self.store}/{key}"

    def validate(self, *addresses: str, previous: tuple[str, ...] = ()) -> dict[str, Any]:
        inputs = {"subject": addresses, "previous": previous}
        return run_stage(validate.STAGE, Job(load_config("smoke"), inputs, self.store))

    @property
    def finished(self) -> list[Path]:
        return list((self.folder / "store").glob("validation/*/*/_manifest.json"))


@pytest.fixture
def subjects(tmp_path: Path) -> Subjects:
    return Subjects(tmp_path)


def test_good_problems_pass_and_the_report_is_the_same_every_time(subjects: Subjects, tmp_path: Path) -> None:
    address = subjects.publish("problems", {PROBLEMS: rows.problems()})
    made = Path(subjects.validate(address)["artifact"].removeprefix("file://"))
    first = (made / "validation.json").read_bytes()
    assert json.loads(first)["success"]
    (made / "_manifest.json").unlink()
    subjects.validate(address)
    assert (made / "validation.json").read_bytes() == first


def test_labels_of_several_checkpoints_are_validated_together(subjects: Subjects) -> None:
    second = {kind: frame.assign(response_id=frame["response_id"] + "2") for kind, frame in _labels().items()}
    addresses = [subjects.publish("labels", tables) for tables in (_labels(), second)]
    assert subjects.validate(*addresses)["metrics"]["warnings"] == 0
    again = subjects.publish("labels", _labels())
    with pytest.raises(BadInput, match=r"labels\.response_id, line expect_compound_columns_to_be_unique"):
        subjects.validate(addresses[0], again)


def test_labels_unlike_the_version_before_are_a_warning_and_the_run_goes_on(
    subjects: Subjects, capsys: pytest.CaptureFixture[str]
) -> None:
    before, now = _labels(), _labels()
    now[LABELS].loc[now[LABELS]["response_id"] == "b", "label"] = -1
    old, new = (subjects.publish("labels", tables) for tables in (before, now))
    assert subjects.validate(old, previous=(old,))["metrics"]["warnings"] == 0
    told = subjects.validate(new, previous=(old,))["metrics"]
    assert told["warnings"] == 1
    assert "near the previous version's" in capsys.readouterr().err
    assert subjects.validate(new)["metrics"]["warnings"] == 0


def test_a_score_that_counts_otherwise_than_its_samples_stops_the_run(subjects: Subjects) -> None:
    good = subjects.publish("scores", {SAMPLES: rows.samples()}, rows.summary())
    assert subjects.validate(good)["metrics"]["warnings"] == 0
    summary = rows.summary()
    summary["per_problem"][0]["c"] = 2
    bad = subjects.publish("scores", {SAMPLES: rows.samples()}, summary)
    with pytest.raises(BadInput, match=r"score_facts_rl_seed0_1\.summary_differs.*p0"):
        subjects.validate(good, bad)


def test_a_reference_that_fails_its_own_tests_stops_the_run_and_mlflow_shows_it(
    subjects: Subjects, tracked: str, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    problems = rows.problems()
    problems.loc[1, "reference"] = "    return sum(xs) + 1\n"
    address = subjects.publish("problems", {PROBLEMS: problems})
    named = problems.loc[1, "problem_id"]
    with pytest.raises(BadInput, match=rf"reference_failure.*1 rows.*{named}: .*0/2 tests passed"):
        subjects.validate(address)
    assert subjects.finished == []
    assert "failed: problem_facts.reference_failure" in capsys.readouterr().err
    server = MlflowServer(tracked)
    experiment = experiment_id(server, request.node.nodeid)
    (run,) = server.post("runs/search", {"experiment_ids": [experiment]})["runs"]
    assert run["info"]["status"] == "FAILED"
    run_id = run["info"]["run_id"]
    attached = server.get("artifacts/list", run_id=run_id, path="validation/data_docs")["files"]
    assert "validation/data_docs/index.html" in [entry["path"] for entry in attached]
    note = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}["mlflow.note.content"]
    assert "reference_failure" in note


def test_files_of_another_schema_are_named_with_the_column(subjects: Subjects) -> None:
    made = subjects.folder / "other"
    made.mkdir()
    table = pa.Table.from_pylist(rows.problems().to_dict("records"), schema=arrow_schema(PROBLEMS))
    position = table.column_names.index("difficulty")
    wider = table.set_column(position, "difficulty", table["difficulty"].cast("int64"))
    pq.write_table(wider, made / "problems.parquet")
    key = artifact_key("problems", digest_of({"made": "other"}))
    publish(open_store(subjects.store), key, made, {"kind": "problems"})
    with pytest.raises(
        BadInput, match=r"problems\.parquet: column \d 'difficulty' \(int64\).*difficulty \(int32\)"
    ):
        subjects.validate(f"{subjects.store}/{key}")


def _labels() -> dict[RowKind, pd.DataFrame]:
    return {LABELS: rows.labels(), RESPONSES: rows.responses()}
