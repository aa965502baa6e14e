"""The labelling stage on a real policy and sandbox: whole, resumable, independent of shards, refusing what it cannot use."""

from __future__ import annotations

import json
import signal

import pytest

from tasks.errors import BadInput, TryAgain
from tasks.method.lines import split_lines
from tasks.method.trials import Subject, Wanted
from tasks.problems import Problem, read_problems
from tasks.rows import LABELS, RESPONSES, read_rows, write_rows
from tasks.sandbox.program import Verdict
from tasks.stages.prefix_completions import ReferenceCompleter
from tasks.store import digest_of, open_store, publish
from tasks.store.artifacts import artifact_key
from tests.stages.conftest import MicroRun

EVERY_ONE = "labels.audit_share=1.0"


def label(micro, *overrides, responses=None, **inputs):
    given = {
        "problems": micro.problems(),
        "responses": responses or micro.responses(),
        "policy": micro.baseline(),
    }
    return micro.stage("label_prefixes", "cell.checkpoint=1", *overrides, **given, **inputs)


@pytest.fixture(scope="module")
def labelled(micro):
    return label(micro, EVERY_ONE)


def other_responses(micro, files, change):
    """The micro run's responses with their rows changed, as an artifact of the same store."""
    rows = read_rows(RESPONSES, files(micro.responses()) / "responses.parquet")
    changed = change(rows)
    folder = files(micro.store) / "changed"
    folder.mkdir(exist_ok=True)
    write_rows(RESPONSES, changed, folder / "responses.parquet")
    key = artifact_key("responses", digest_of({"rows": changed}))
    publish(
        open_store(micro.store),
        key,
        folder,
        {"kind": "responses", "metrics": {}, "seconds": 0, "mlflow_run_id": ""},
    )
    return f"{micro.store}/{key}"


def test_every_line_of_every_response_has_a_label(labelled, files):
    folder = files(labelled["artifact"])
    responses = {row["response_id"]: row for row in read_rows(RESPONSES, folder / "responses.parquet")}
    rows = read_rows(LABELS, folder / "labels.parquet")
    assert {row["response_id"] for row in rows} == set(responses)
    for name, response in responses.items():
        mine = [row for row in rows if row["response_id"] == name]
        assert [row["line"] for row in mine] == list(range(1, mine[0]["lines"] + 1))
        assert mine[-1]["label"] in ((0, 1) if response["status"] == "passed" else (0, -1))


def test_cost_and_audit_are_told(labelled, files):
    folder = files(labelled["artifact"])
    cost = json.loads((folder / "cost.json").read_text())
    audit = json.loads((folder / "audit.json").read_text())
    assert cost["responses"] == cost["passing"] + cost["failing"] + cost["empty"] + cost["undecided"] == 12
    assert 0 < cost["executions"] <= cost["completions"]
    assert audit["lines"] > 0
    assert audit["most_completions_per_line"] == 4 * 2
    assert labelled["metrics"]["share_generating"] < 1


def test_the_page_shows_audited_programs_and_needs_nothing_else(labelled, files):
    page = (files(labelled["artifact"]) / "labels.html").read_text()
    assert 'tr class="bad"' in page
    assert "probe of this prefix" in page
    assert "http" not in page
    assert "<script" not in page


def test_labels_do_not_depend_on_the_shard_size(labelled, micro, files):
    apart = label(micro, EVERY_ONE, "labels.shard_size=5")
    for kind in (LABELS, RESPONSES):
        one, other = (
            read_rows(kind, files(run["artifact"]) / f"{kind.name}.parquet") for run in (labelled, apart)
        )
        assert one == other
    audits = [(files(run["artifact"]) / "audit.json").read_bytes() for run in (labelled, apart)]
    assert audits[0] == audits[1]


def test_a_killed_stage_goes_on_from_its_last_shard_with_the_same_content(
    micro, files, tmp_path, monkeypatch
):
    """SIGTERM in the second shard: the first is kept, the rest is done, the files are the same bytes."""
    from tasks.stages import label_shards

    whole = label(micro, "labels.shard_size=4", "labels.seed=1")
    first_rows = []
    original = label_shards._label

    def counted(rows, *rest):
        first_rows.append(rows[0]["response_id"])
        if len(first_rows) == 2:
            signal.raise_signal(signal.SIGTERM)
        return original(rows, *rest)

    monkeypatch.setattr(label_shards, "_label", counted)
    elsewhere = MicroRun(tmp_path)
    given = {"problems": micro.problems(), "responses": micro.responses(), "policy": micro.baseline()}
    arguments = ("label_prefixes", "cell.checkpoint=1", "labels.shard_size=4", "labels.seed=1")
    with pytest.raises(TryAgain):
        elsewhere.stage(*arguments, **given)
    assert len(first_rows) == 2
    resumed = elsewhere.stage(*arguments, **given)
    assert first_rows.count(first_rows[0]) == 1
    assert len(set(first_rows)) == 3
    assert _bytes(files(resumed["artifact"])) == _bytes(files(whole["artifact"]))


def _bytes(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "_manifest.json"}


def test_empty_and_unjudged_responses_are_left_out_and_counted(micro, files):
    def spoil(rows):
        return [{**rows[0], "text": ""}, {**rows[1], "status": "no_verdict"}, *rows[2:]]

    envelope = label(micro, responses=other_responses(micro, files, spoil))
    cost = json.loads((files(envelope["artifact"]) / "cost.json").read_text())
    assert (cost["responses"], cost["empty"], cost["no_verdict"]) == (12, 1, 1)
    assert len(read_rows(RESPONSES, files(envelope["artifact"]) / "responses.parquet")) == 10


@pytest.mark.parametrize(
    "change, fault",
    [
        (lambda rows: [rows[0], {**rows[1], "problem_id": "nowhere"}], r"row 1 .*'nowhere' is unknown"),
        (lambda rows: [rows[0], rows[0]], r"row 1 .*not unique"),
        (
            lambda rows: [{**rows[0], "checkpoint": 2}],
            r"row 0 .*is of checkpoint 2; allowed: cell.checkpoint = 1",
        ),
    ],
)
def test_responses_that_cannot_be_labelled_are_refused_by_row(micro, files, change, fault):
    with pytest.raises(BadInput, match=fault):
        label(micro, responses=other_responses(micro, files, change))


def test_a_completer_that_is_missing_is_refused(micro, files):
    with pytest.raises(BadInput, match="--input sft: is missing"):
        label(micro, "labels.completer=sft")
    elsewhere = other_responses(micro, files, lambda rows: [{**row, "checkpoint": 9} for row in rows])
    with pytest.raises(BadInput, match=r"cell.checkpoint 9: is not a checkpoint.*1, 2"):
        label(micro, "cell.checkpoint=9", responses=elsewhere)
    with pytest.raises(BadInput, match=r"labels.completions"):
        label(micro, "labels.completions=0")


@pytest.mark.parametrize("completer", ["final", "sft"])
def test_other_completers_can_be_asked(micro, completer, files):
    envelope = label(micro, f"labels.completer={completer}", sft=micro.sft())
    assert read_rows(LABELS, files(envelope["artifact"]) / "labels.parquet")


def test_edited_references_are_a_second_source_beside_the_search(micro, files):
    searched = label(micro)
    both = label(micro, "labels.edits_per_problem=3", "labels.shard_size=5")
    plain, rows = (read_rows(LABELS, files(run["artifact"]) / "labels.parquet") for run in (searched, both))
    assert [row for row in rows if row["source"] == "search"] == plain
    edited = [row for row in rows if row["source"] == "mutation"]
    assert {row["label"] for row in edited} >= {1, -1}
    texts = {
        row["response_id"] for row in read_rows(RESPONSES, files(both["artifact"]) / "responses.parquet")
    }
    assert {row["response_id"] for row in edited} <= texts
    cost = json.loads((files(both["artifact"]) / "cost.json").read_text())
    assert cost["edits"] == len({row["response_id"] for row in edited}) == 3 * 6


def test_the_oracle_completes_with_the_reference_and_knows_where_a_program_went_wrong(micro, files):
    """References with one line changed: the lines before it are recoverable, it and those after it are not."""
    problems = read_problems(files(micro.problems()))
    long = [one for one in problems if one.split == "train" and len(split_lines(one.reference)) >= 3][:6]

    def broken(rows):
        made = []
        for row, problem in zip(rows, long, strict=False):
            lines = split_lines(problem.reference)
            lines[1] = "    xs = [12345]\n"
            made.append({**row, "problem_id": problem.problem_id, "text": "".join(lines), "status": "failed"})
        return made

    responses = other_responses(micro, files, broken)
    envelope = label(micro, "labels.completer=reference", "labels.completions=32", responses=responses)
    rows = read_rows(LABELS, files(envelope["artifact"]) / "labels.parquet")
    assert len({row["response_id"] for row in rows}) == len(long) == 6
    assert {row["label"] for row in rows if row["line"] == 1} == {1}
    assert {row["label"] for row in rows if row["line"] > 1} == {-1}
    assert json.loads((files(envelope["artifact"]) / "cost.json").read_text())["tokens"] == 0


def test_the_oracle_needs_references():
    problem = Problem("p", "def f():\n", "f", "{}", None, 1, "train", "own", "MIT")
    subject = Subject("r", "p", problem.prompt, "    return 1\n", Verdict("failed", 0, 1, 0.0))
    with pytest.raises(BadInput, match="problem p: has no reference"):
        list(ReferenceCompleter({"p": problem})([Wanted(subject, 0, "s")]))
