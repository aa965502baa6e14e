"""A score: samples, summary, protocols, resume, contamination, and what makes it another score."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tasks.benchmarks.prepared import Prepared, choose_protocol
from tasks.config import EvaluationConfig
from tasks.errors import BadInput, TryAgain
from tasks.problems import Problem
from tasks.rows import SAMPLES, read_rows
from tasks.stages import generation
from tasks.stages.evaluation_summary import summarise
from tasks.stages.stage import StopRequest
from tests.stages.killing import command, content_of, kill_after_checkpoint

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def summary_of(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


@pytest.fixture
def evaluate(micro, files):
    """`evaluate(*overrides, **inputs)`: folder of the score of the untrained model on the run's own problems."""

    def run(*overrides: str, **inputs: str) -> Path:
        given = {"problems": micro.problems(), "policy": micro.model(), **inputs}
        return files(micro.stage("evaluate", *overrides, **given)["artifact"])

    return run


def test_summary_follows_from_the_samples(micro, files):
    folder = files(micro.scores())
    samples = read_rows(SAMPLES, folder / "samples.parquet")
    summary = summary_of(folder)
    assert len(samples) == 4 * 2
    passed = sum(row["status"] == "passed" for row in samples)
    assert summary["pass_at_1"] == pytest.approx(passed / len(samples))
    assert summary["pass_at_1_low"] <= summary["pass_at_1"] <= summary["pass_at_1_high"]
    assert summary["protocol"] == (
        "stepcode/base: stop none; extraction continue; all tests must pass; 2 s CPU, 512 MB; 2 samples; "
        "temperature 0.2; at most 48 tokens"
    )


def test_the_grader_proved_itself_on_every_problem(micro, files):
    summary = summary_of(files(micro.scores()))
    assert summary["self_proof"]["problems"] == summary["problems"]
    for kind in ("reference", "empty", "always_equal", "wrapped_result"):
        assert summary["self_proof"][kind] == summary["problems"]


def test_another_policy_gives_another_score(micro):
    other = micro.stage("evaluate", "cell.arm=sft", problems=micro.problems(), policy=micro.model())
    assert other["artifact"] != micro.scores()


def test_greedy_samples_of_a_problem_are_all_the_same(evaluate):
    rows = read_rows(SAMPLES, evaluate("evaluation.temperature=0") / "samples.parquet")
    assert all(a["text"] == b["text"] for a, b in zip(rows[::2], rows[1::2], strict=True))
    sampled = read_rows(SAMPLES, evaluate("evaluation.temperature=1.5") / "samples.parquet")
    assert any(a["text"] != b["text"] for a, b in zip(sampled[::2], sampled[1::2], strict=True))


def test_no_problems_at_zero_means_all(evaluate):
    assert summary_of(evaluate("evaluation.problems=0"))["problems"] == 6


@pytest.mark.parametrize(
    ("name", "overrides", "protocol"),
    [
        ("humaneval", (), r"humaneval/base: stop '\nclass '"),
        ("mbpp", (), "mbpp/three_shot: stop '[DONE]'"),
        ("mbpp", ("evaluation.mbpp_prompt=docstring",), "mbpp/docstring: "),
        ("livecodebench", (), "livecodebench/base: "),
        ("stepcode", (), "stepcode/base: "),
    ],
)
def test_every_benchmark_can_be_put_to_a_model(micro, evaluate, name, overrides, protocol):
    if name != "stepcode" and not DATA.is_dir():
        pytest.skip("needs ../shared/data")
    prepared = micro.stage("prepare_benchmark", f"benchmark.name={name}", f"benchmark.source={DATA}")
    summary = summary_of(evaluate("evaluation.problems=2", *overrides, problems=prepared["artifact"]))
    assert summary["protocol"].startswith(protocol)
    assert summary["benchmark"].split()[0] == name
    assert summary["problems"] == 2
    assert summary["samples"] == 4


def test_a_prompt_that_does_not_fit_the_model_is_counted_and_not_solved(micro, evaluate, tmp_path):
    rows = [
        {"problem_id": "short", "prompt": "def one():\n"},
        {"problem_id": "long", "prompt": "# " + "words and more words " * 200 + "\ndef one():\n"},
    ]
    problem = {
        "entry_point": "one",
        "tests": [{"args": [], "expected": 1}],
        "split": "test",
        "source": "mine",
    }
    path = tmp_path / "problems.jsonl"
    text = [{**row, **problem, "reference": "    return 1\n"} for row in rows]
    text.append({**text[0], "problem_id": "train", "split": "train"})
    path.write_text("".join(json.dumps(row) + "\n" for row in text))
    mine = micro.stage("prepare_problems", f"data.source={path}")["artifact"]
    folder = evaluate(problems=mine)
    assert (summary_of(folder)["not_asked"], summary_of(folder)["samples"]) == (2, 4)
    long = [row for row in read_rows(SAMPLES, folder / "samples.parquet") if row["problem_id"] == "long"]
    assert {row["status"] for row in long} == {"failed"}
    assert "not asked" in long[0]["detail"]


SHARDS = (
    "evaluation.shard_size=2",
    "evaluation.problems=6",
    "evaluation.samples=2",
    "evaluation.max_new_tokens=48",
)


def test_a_killed_evaluation_goes_on_and_ends_the_same(micro, evaluate, files, tmp_path):
    """Killed without warning after a shard: the rest is done, the kept shard is not drawn again, equal content."""
    overrides = (*SHARDS, "evaluation.temperature=1")
    whole = evaluate(*overrides)
    store = f"file://{tmp_path}/store"
    argv = command("evaluate", store, overrides, problems=micro.problems(), policy=micro.model())
    kill_after_checkpoint(argv, store, 1)
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    envelope = json.loads(done.stdout.splitlines()[-1])
    assert not envelope["cached"]
    assert content_of(files(envelope["artifact"])) == content_of(whole)
    progress = [line.split()[2] for line in done.stderr.splitlines() if line.startswith("progress")]
    assert progress
    assert all(int(part.split("/")[0]) > 4 for part in progress), "a kept shard was graded again"


def test_a_stopped_greedy_evaluation_ends_the_same(micro, evaluate, files, tmp_path, monkeypatch):
    overrides = (*SHARDS, "evaluation.temperature=0")
    whole = evaluate(*overrides)
    other = type(micro)(tmp_path)
    inputs = {"problems": micro.problems(), "policy": micro.model()}
    with monkeypatch.context() as patched:
        looks: list[int] = []
        patched.setattr(StopRequest, "check", lambda stop, save=None: stop_at_the_fifth(looks))
        with pytest.raises(TryAgain):
            other.stage("evaluate", *overrides, **inputs)
    drawn = []
    monkeypatch.setattr(generation, "answers", counting(generation.answers, drawn))
    again = other.stage("evaluate", *overrides, **inputs)
    assert content_of(files(again["artifact"])) == content_of(whole)
    assert sum(drawn) == 12 - 2  # the one shard that was whole is kept


def stop_at_the_fifth(looks: list[int]) -> None:
    looks.append(1)
    if len(looks) == 5:
        raise TryAgain("stopped")


def counting(answers, drawn: list[int]):
    def counted(sampler, asks, *more):
        drawn.append(len(asks))
        return answers(sampler, asks, *more)

    return counted


def test_training_problems_that_hold_the_benchmark_are_reported_and_can_be_refused(
    micro, evaluate, files, tmp_path
):
    folder = tmp_path / "problems"
    shutil.copytree(files(micro.problems()), folder)
    clean = summary_of(evaluate())["contamination"]
    assert clean["exact"] == 0
    assert clean["training_problems"] == 60
    rows = [
        {**row, "split": split, "problem_id": f"{split}/{row['problem_id']}"}
        for row in micro_rows(folder)
        if row["split"] == "test"
        for split in ("train", "test")
    ]
    path = tmp_path / "copied.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    copied = micro.stage("prepare_problems", f"data.source={path}")["artifact"]
    found = summary_of(evaluate(problems=copied))["contamination"]
    assert found["exact"] == 4  # of the 4 problems that are used
    with pytest.raises(BadInput, match=r"refuse_contaminated.*hold 4 of 4"):
        evaluate("evaluation.refuse_contaminated=true", problems=copied)


def micro_rows(folder: Path) -> list[dict]:
    from tasks.rows import PROBLEMS

    return read_rows(PROBLEMS, folder / "problems.parquet")


def test_a_chat_protocol_needs_a_chat_template(evaluate):
    with pytest.raises(BadInput, match="no chat template"):
        evaluate("evaluation.style=chat")


def test_a_chat_model_is_asked_by_its_template(micro, evaluate, files, tmp_path):
    """The template reaches the model: with another template it says other things."""
    texts = []
    for mark in ("a", "b"):
        folder = tmp_path / mark
        shutil.copytree(files(micro.model()), folder)
        template = f"{{% for m in messages %}}{{{{ m['content'] }}}}{mark}{{% endfor %}}"
        (folder / "chat_template.jinja").write_text(template)
        model = micro.stage("prepare_model", f"model.source={folder}")["artifact"]
        score = evaluate("evaluation.style=chat", "evaluation.temperature=0", policy=model)
        assert summary_of(score)["protocol"].startswith("stepcode/chat: stop none; extraction fenced")
        texts.append([row["text"] for row in read_rows(SAMPLES, score / "samples.parquet")])
    assert texts[0] != texts[1]


@pytest.mark.parametrize(
    ("name", "settings", "protocol"),
    [
        ("humaneval", {}, "base"),
        ("humaneval", {"style": "chat"}, "chat"),
        ("mbpp", {}, "three_shot"),
        ("mbpp", {"mbpp_prompt": "docstring"}, "docstring"),
        ("mbpp", {"style": "chat"}, "chat"),
        ("livecodebench", {"style": "chat"}, "chat"),
        (None, {}, "base"),
    ],
)
def test_the_protocol_follows_from_benchmark_and_settings(name, settings, protocol):
    prepared = Prepared(name, name, 1, {}, examples="examples") if name else None
    bench, chosen = choose_protocol(prepared, EvaluationConfig(**settings))
    assert (bench.NAME, chosen.name) == (name or "stepcode", protocol)
    assert chosen.preamble == ("examples" if protocol == "three_shot" else "")


def test_three_shots_without_examples_are_refused():
    with pytest.raises(BadInput, match="docstring"):
        choose_protocol(Prepared("mbpp", "mbpp full", 1, {}), EvaluationConfig())


def graded(problem_id: str, *statuses: str) -> list[dict]:
    return [{"problem_id": problem_id, "status": status, "tokens": 10, "detail": ""} for status in statuses]


def problem(name: str) -> Problem:
    return Problem(name, "", "f", "", None, 1, "test", "s", "l")


def test_samples_without_verdict_count_neither_way():
    rows = [
        *graded("a", "passed", "no_verdict"),
        *graded("b", "failed", "passed"),
        *graded("c", "no_verdict"),
    ]
    told = summarise([problem(name) for name in "abc"], rows, [1, 2], dict.fromkeys("abc", 5))
    assert [(one["problem_id"], one["n"], one["c"]) for one in told["per_problem"]] == [
        ("a", 1, 1),
        ("b", 2, 1),
    ]
    assert (told["pass_at_1"], told["pass_at_2"], told["no_verdict"]) == (0.75, 1.0, 2)


def test_no_verdict_at_all_is_no_score():
    with pytest.raises(TryAgain, match="none of 1 samples"):
        summarise([problem("a")], graded("a", "no_verdict"), [1], {"a": 5})
