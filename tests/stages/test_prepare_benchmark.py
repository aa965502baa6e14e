"""Benchmarks as artifacts: from files of one's own, generated, or from the hub; known by content, refused when damaged."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest

from tasks.benchmarks import sources
from tasks.benchmarks.prepared import read_prepared
from tasks.config import BenchmarkConfig
from tasks.errors import BadInput
from tasks.problems import read_problems
from tasks.profiles import load_config

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
HUMANEVAL_ROW = {
    "task_id": "HumanEval/0",
    "prompt": "def one():\n",
    "entry_point": "one",
    "canonical_solution": "    return 1\n",
    "test": "def check(candidate):\n    assert candidate() == 1\n",
}
MBPP_ROW = {"text": "Return x.", "code": "def same(x):\n    return x", "test_list": ["assert same(1) == 1"]}


def write(folder: Path, name: str, *rows: dict) -> Path:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def prepare(micro, files):
    """`prepare(name, source, *overrides)`: envelope and local folder."""

    def run(name: str, source: Path | str, *overrides: str):
        envelope = micro.stage(
            "prepare_benchmark", f"benchmark.name={name}", f"benchmark.source={source}", *overrides
        )
        return envelope, files(envelope["artifact"])

    return run


@pytest.mark.parametrize(
    ("name", "count", "title"),
    [("humaneval", 164, "humaneval"), ("mbpp", 500, "mbpp full"), ("livecodebench", 3, "livecodebench")],
)
def test_the_published_files_are_prepared(prepare, name, count, title):
    if not DATA.is_dir():
        pytest.skip("needs ../shared/data")
    _, folder = prepare(name, DATA)
    prepared = read_prepared(folder)
    assert (prepared.problems, prepared.title) == (count, title)
    assert len(read_problems(folder, "test")) == count
    assert bool(prepared.examples) == (name == "mbpp")


def test_stepcode_needs_no_file_and_is_the_test_split(prepare):
    envelope, folder = prepare("stepcode", "hub", "benchmark.stepcode_problems=12")
    assert envelope["metrics"] == {"problems": 12}
    assert {problem.split for problem in read_problems(folder)} == {"test"}


def test_a_file_is_known_by_its_content_not_by_its_name(prepare, tmp_path):
    source = write(tmp_path, "HumanEval.jsonl", HUMANEVAL_ROW)
    first, _ = prepare("humaneval", source)
    again, _ = prepare("humaneval", source)
    write(tmp_path, "HumanEval.jsonl", HUMANEVAL_ROW, {**HUMANEVAL_ROW, "task_id": "HumanEval/1"})
    other, _ = prepare("humaneval", source)
    assert (first["cached"], again["cached"], other["cached"]) == (False, True, False)
    assert other["metrics"] == {"problems": 2}


def test_only_mbpp_test_problems_are_a_benchmark_and_examples_may_be_missing(prepare, tmp_path):
    rows = [{**MBPP_ROW, "task_id": number} for number in (11, 12, 511, 601)]
    _, folder = prepare("mbpp", write(tmp_path, "mbpp.jsonl", *rows))
    assert [problem.problem_id for problem in read_problems(folder)] == ["mbpp/11", "mbpp/12"]
    assert read_prepared(folder).examples == ""


def test_the_sanitised_file_is_told_from_the_full_one(tmp_path):
    write(write(tmp_path, "mbpp.jsonl"), "sanitized-mbpp.json")
    found = {
        wanted: [
            path.name
            for path in sources.local_files(
                BenchmarkConfig(name="mbpp", source=str(tmp_path), mbpp_set=wanted)
            )
        ]
        for wanted in ("full", "sanitized")
    }
    assert found == {"full": ["mbpp.jsonl"], "sanitized": ["sanitized-mbpp.json"]}


@pytest.mark.parametrize(
    ("names", "message"),
    [((), "holds no file of humaneval"), (("HumanEval.jsonl", "humaneval_2.jsonl"), "several files")],
)
def test_a_folder_without_one_file_of_the_benchmark_is_refused(prepare, tmp_path, names, message):
    for name in names:
        write(tmp_path, name, HUMANEVAL_ROW)
    with pytest.raises(BadInput, match=message):
        prepare("humaneval", tmp_path)


def test_a_problem_twice_is_refused(prepare, tmp_path):
    with pytest.raises(BadInput, match=r"HumanEval/0.*twice"):
        prepare("humaneval", write(tmp_path, "HumanEval.jsonl", HUMANEVAL_ROW, HUMANEVAL_ROW))


def test_without_network_the_error_says_what_to_do(prepare, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(BadInput, match=r"cannot be had.*benchmark\.source=FOLDER"):
        prepare("humaneval", "hub")


class TestHub:
    """A hub whose files lie on disk: `hf_hub_download` is the only thing replaced."""

    @pytest.fixture
    def hub(self, tmp_path, monkeypatch):
        monkeypatch.setattr(
            "huggingface_hub.hf_hub_download", lambda repository, name, **_: str(tmp_path / name)
        )
        return tmp_path

    def test_a_pinned_file_with_another_checksum_is_refused(self, hub):
        (hub / "a.jsonl").write_text("{}")
        wanted = sources.HubFiles("someone/data", "0" * 40, {"a.jsonl": "f" * 64}, 1)
        with pytest.raises(BadInput, match="sha256"):
            sources.download(wanted)

    def test_the_right_file_is_taken(self, hub):
        (hub / "a.jsonl").write_text("{}")
        right = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        assert sources.download(sources.HubFiles("s/d", "0" * 40, {"a.jsonl": right}, 1)) == [hub / "a.jsonl"]

    def test_a_missing_problem_is_noticed(self):
        sources.require_count(164, sources.HUMANEVAL, ["x"])
        with pytest.raises(BadInput, match="163 test problems; allowed: 164"):
            sources.require_count(163, sources.HUMANEVAL, ["x"])


def test_releases_are_cumulative():
    def names(release: str) -> list[str]:
        settings = BenchmarkConfig(name="livecodebench", livecodebench_release=release)
        return list(sources.hub_files(settings).files)

    assert names("v1") == ["test.jsonl"]
    assert names("v6")[:3] == ["test.jsonl", "test2.jsonl", "test3.jsonl"]
    assert len(names("v6")) == 6


@pytest.mark.parametrize(
    ("setting", "message"),
    [("date_from=2024-13-01", "date_from"), ("livecodebench_release=v7", "livecodebench_release")],
)
def test_impossible_settings_are_refused(setting, message):
    with pytest.raises(BadInput, match=message):
        load_config("demo", [f"benchmark.{setting}"])


def test_a_window_selects_by_date(prepare, tmp_path):
    row = {
        "question_content": "Print 1.",
        "starter_code": "",
        "metadata": "{}",
        "public_test_cases": "[]",
        "private_test_cases": json.dumps([{"input": "", "output": "1", "testtype": "stdin"}]),
    }
    rows = [
        {**row, "question_id": day, "contest_date": f"{day}T00:00"} for day in ("2024-01-01", "2024-06-01")
    ]
    packed = tmp_path / "livecodebench.jsonl.gz"
    packed.write_bytes(gzip.compress("".join(json.dumps(one) + "\n" for one in rows).encode()))
    _, folder = prepare("livecodebench", tmp_path, "benchmark.date_from=2024-03-01")
    assert [problem.problem_id for problem in read_problems(folder)] == ["2024-06-01"]
    assert read_prepared(folder).window.startswith("2024-06-01..2024-06-01, 1 problems")
    shutil.rmtree(tmp_path)
