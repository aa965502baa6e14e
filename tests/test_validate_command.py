"""`python -m tasks validate KIND ADDRESS`: what a person runs on data at hand, bad data included."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks.__main__ import main
from tasks.errors import EXIT_BAD_INPUT
from tasks.rows import DEMONSTRATIONS, LABELS, PROBLEMS, RESPONSES, SAMPLES, RowKind, write_rows
from tests.validation import rows

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., str]:
    """Writes tables into a folder of their own; its path."""

    def write(name: str, *tables: tuple[RowKind, pd.DataFrame], **files: Any) -> str:
        made = tmp_path / name
        made.mkdir()
        for kind, frame in tables:
            write_rows(kind, frame.to_dict("records"), made / f"{kind.name}.parquet")
        for stem, content in files.items():
            (made / f"{stem}.json").write_text(json.dumps(content))
        return str(made)

    return write


def prompt(text: str) -> str:
    return f'def solve(xs):\n    """{text}"""\n'


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_good_problems_of_a_folder_pass_and_pages_are_left(
    folder: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = folder("good", (PROBLEMS, rows.problems()), (DEMONSTRATIONS, rows.demonstrations()))
    assert main(["validate", "problems", given, "--pages", str(tmp_path / "pages")]) == 0
    told = last_line(capsys)
    assert told["warnings"] == 0
    assert told["rows"] == 10  # three problems and two demonstrations, and the facts of each
    assert (tmp_path / "pages" / "index.html").is_file()


def test_problems_known_from_a_benchmark_or_by_a_licence_are_named(
    folder: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = " ".join(f"word{number}" for number in range(30))
    mine = (
        rows.problems()
        .iloc[:2]
        .assign(prompt=[prompt(words), prompt("something else")], licence=["MIT", "GPL-3.0-only"])
    )
    theirs = rows.problems().iloc[2:].assign(prompt=prompt(words))
    given, benchmark = folder("mine", (PROBLEMS, mine)), folder("theirs", (PROBLEMS, theirs))
    assert main(["validate", "problems", given, "--benchmark", benchmark]) == EXIT_BAD_INPUT
    told = capsys.readouterr().err
    assert "problem_facts.in_training" in told
    assert "is in p0" in told
    assert "problem_facts.licence" in told
    assert "GPL-3.0-only" in told
    allowed = 'validation.licences=["MIT", "GPL-3.0-only"]'
    assert main(["validate", "problems", given, "--set", allowed]) == 0


def test_references_with_another_verdict_every_time_are_poisoned(
    folder: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The clock as a coin (random numbers are the same in every run): 24 of them do not fall alike twice."""
    coin = "    import time\n    return sum(xs) + time.perf_counter_ns() // 1000 % 2\n"
    one = rows.problems().iloc[0].to_dict()
    coins = pd.DataFrame(
        [one | {"problem_id": f"c{n}", "prompt": prompt(f"{n}"), "reference": coin} for n in range(24)]
    )
    assert main(["validate", "problems", folder("coins", (PROBLEMS, coins))]) == EXIT_BAD_INPUT
    assert "failed: problem_facts.poisoned" in capsys.readouterr().err


def test_one_poisoned_problem_is_a_warning(
    folder: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    hanging = rows.problems()
    hanging.loc[1, "reference"] = "    while True:\n        pass\n"
    given = folder("hanging", (PROBLEMS, hanging))
    assert main(["validate", "problems", given, "--set", "sandbox.cpu_seconds=1"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out.splitlines()[-1])["warnings"] == 1
    assert "warning: problem_facts.poisoned" in told.err
    assert "p1: reference solution: timeout" in told.err
    none = ["--set", "sandbox.cpu_seconds=1", "--set", "validation.quarantine=0"]
    assert main(["validate", "problems", given, *none]) == EXIT_BAD_INPUT


def test_labels_are_compared_with_those_before(
    folder: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    now = folder("now", (LABELS, rows.labels()), (RESPONSES, rows.responses()))
    kept = rows.labels()["response_id"].isin(["b", "c"])
    before = folder("before", (LABELS, rows.labels()[kept]), (RESPONSES, rows.responses()))
    assert main(["validate", "labels", now, "--config", "smoke", "--previous", now]) == 0
    assert last_line(capsys)["warnings"] == 0
    assert main(["validate", "labels", now, "--config", "smoke", "--previous", before]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out.splitlines()[-1])["warnings"] == 1
    assert "near the previous version's 0.25" in told.err


def test_scores_and_responses_have_suites(
    folder: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    score = folder("score", (SAMPLES, rows.samples()), summary=rows.summary())
    assert main(["validate", "scores", score]) == 0
    assert last_line(capsys)["rows"] == 10
    assert main(["validate", "responses", folder("sampled", (RESPONSES, rows.responses()))]) == 0
    assert last_line(capsys)["warnings"] == 0


def test_what_is_no_address_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "scores", "nowhere"]) == EXIT_BAD_INPUT
    assert "neither an artifact address nor a folder" in capsys.readouterr().err
