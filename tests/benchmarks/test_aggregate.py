"""A table of graded samples becomes the same scores as a slow, obvious loop over its rows."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest

from tasks.benchmarks.aggregate import LENGTH_EDGES, aggregate
from tasks.benchmarks.statistics import pass_at_k
from tasks.errors import BadInput
from tasks.rows import SAMPLES, write_rows


def sample(problem, index, difficulty, tokens, status):
    return {
        "problem_id": problem, "index": index, "difficulty": difficulty, "text": "", "tokens": tokens,
        "status": status, "tests_passed": 0, "tests_total": 1, "detail": "",
    }  # fmt: skip


@pytest.fixture(scope="module")
def rows():
    rng = random.Random(1)
    return [
        sample(
            f"p{problem}",
            index,
            problem % 4,
            rng.randrange(150),
            rng.choice(["passed", "failed", "error", "no_verdict"]),
        )
        for problem in range(40)
        for index in range(10)
    ]


@pytest.fixture(scope="module")
def found(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("samples") / "samples.parquet"
    write_rows(SAMPLES, rows, path)
    return aggregate(path, (1, 2))


def mean(values):
    return sum(values) / len(values)


def slowly(rows, key):
    """n and c by problem, within each value of `key`."""
    table = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for row in rows:
        if row["status"] != "no_verdict":
            counts = table[key(row)][row["problem_id"]]
            counts[0] += 1
            counts[1] += row["status"] == "passed"
    return table


@pytest.mark.parametrize("k", [1, 2])
def test_pass_at_k(rows, found, k):
    counts = slowly(rows, lambda row: 0)[0].values()
    assert found.pass_at[k].value == pytest.approx(mean([pass_at_k(n, c, k) for n, c in counts]))
    assert found.pass_at[k].low < found.pass_at[k].value < found.pass_at[k].high
    assert found.pass_at[k].problems == 40


def test_by_difficulty_and_length(rows, found):
    bins = {
        "by_difficulty": lambda row: row["difficulty"],
        "by_length": lambda row: max(edge for edge in LENGTH_EDGES if row["tokens"] >= edge),
    }
    for name, key in bins.items():
        expected = {value: mean([c / n for n, c in by.values()]) for value, by in slowly(rows, key).items()}
        assert {value: one.value for value, one in getattr(found, name).items()} == pytest.approx(expected)


def test_samples_without_verdict_are_counted_apart(rows, found):
    assert found.samples == 400
    assert found.no_verdict == sum(row["status"] == "no_verdict" for row in rows)


def test_bad_tables_are_refused(tmp_path):
    with pytest.raises(BadInput, match="no such file"):
        aggregate(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("hello")
    with pytest.raises(BadInput, match="no table of graded samples"):
        aggregate(tmp_path / "text.parquet")
    write_rows(SAMPLES, [sample("p", 0, 0, 1, "no_verdict")], tmp_path / "silent.parquet")
    with pytest.raises(BadInput, match="none has a verdict"):
        aggregate(tmp_path / "silent.parquet")
    write_rows(SAMPLES, [sample("p", 0, 0, 1, "passed")], tmp_path / "one.parquet")
    with pytest.raises(BadInput, match="k = 2"):
        aggregate(tmp_path / "one.parquet", (2,))
