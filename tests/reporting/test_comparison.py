"""The page of evaluated models: its sentences, its sections, and its figures."""

from __future__ import annotations

import pytest

from tasks.reporting.comparison import benchmark_results, build_page, conclude, draw
from tasks.reporting.page import write_page
from tasks.reporting.results import Score
from tests.reporting.test_differences import score


def evaluated(model: str, passed: list[int]) -> Score:
    made = score(model, passed)
    share = sum(passed) / (4 * len(passed))
    told = {
        "benchmark": "humaneval",
        "protocol": "humaneval/base: greedy",
        "problems": len(passed),
        "samples": 4,
    }
    told |= {"no_verdict": 0, "not_asked": 1, "contamination": None}
    told |= {"pass_at_1": share, "pass_at_1_low": 0.0, "pass_at_1_high": 1.0}
    return Score(model, 0, {**made.summary, **told})


def groups(**models: list[int]) -> dict[str, list[Score]]:
    return {name: [evaluated(name, passed)] for name, passed in models.items()}


def test_the_first_model_is_what_the_others_are_compared_with():
    champion, new = benchmark_results(groups(champion=[4, 0, 0, 0], new=[4, 4, 0, 0]))
    assert champion.gain is None
    assert new.gain[0] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ({"champion": [4] * 20, "new": [0] * 20}, "champion has pass@1 100.0 %"),
        (
            {"champion": [0] * 20, "new": [4] * 19 + [0]},
            "+95.0 points [+85.0, +100.0] from champion, clear of zero.",
        ),
        ({"champion": [0, 4, 0, 4], "new": [4, 4, 0, 4]}, "which may be chance"),
        ({"champion": [0, 0], "new": [0, 0]}, "humaneval: all at pass@1 0.0 %."),
        ({"only": [4, 0]}, "only has pass@1 50.0 %"),
    ],
)
def test_the_sentence_says_who_won_and_how_sure_that_is(models, said):
    assert said in conclude({"humaneval": groups(**models)})


@pytest.mark.parametrize("models", [{"champion": [4, 0, 2], "new": [4, 4, 0]}, {"only": [4, 0, 2]}])
def test_the_page_has_every_part_there_is_data_for(tmp_path, models):
    benchmarks = {"humaneval": groups(**models)}
    pictures = {name: draw(name, given, tmp_path) for name, given in benchmarks.items()}
    page = build_page(benchmarks, pictures, {"p0": "prompt"})
    write_page(page, tmp_path / "report.html")
    titles = [section.title for section in page.sections]
    assert ("How sure" in titles) == (len(models) > 1)
    assert {"humaneval", "What changed", "How it was measured"} <= set(titles)
    assert "humaneval/base: greedy" in (tmp_path / "report.html").read_text()
