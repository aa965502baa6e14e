"""Seeds of an arm together: the numbers against hand-made cases, and what the figure carries."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tasks.reporting.across_seeds import band, bands_of, interquartile_mean, summarise, write_across_seeds
from tasks.reporting.solved import Cell, Matrix, Row

MATRIX = Matrix(
    ("rl", "psgpo"),
    "rl",
    (
        Row("p0", 1, 10, (Cell(0.0, ""), Cell(1.0, "gained"))),
        Row("p1", 2, 20, (Cell(0.5, ""), Cell(None, ""))),
    ),
)


def curves(*values: float) -> list[dict[str, float]]:
    return [{"train/pass_rate": value, "train/lines": 3.0, "time/step": 1.0} for value in values]


ARMS = {"rl": [curves(0.1, 0.3, 0.2)], "psgpo": [curves(0.2, 0.4, 0.9), curves(0.4, 0.8, 0.1)]}


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([5.0], 5.0),
        ([1.0, 3.0], 2.0),
        ([0.0, 1.0, 5.0], (0.25 * 0 + 1.0 + 0.25 * 5) / 1.5),
        ([100.0, 2.0, 4.0, -50.0], 3.0),
        ([0, 0, 1, 2, 3, 4, 90, 90], 2.5),
    ],
)
def test_the_interquartile_mean_leaves_a_quarter_out_on_either_side(
    values: list[float], wanted: float
) -> None:
    assert interquartile_mean(values) == pytest.approx(wanted)


def test_a_band_is_mean_standard_error_and_best_so_far() -> None:
    found = band([[0.2, 0.4, 0.9], [0.4, 0.8, 0.1, 0.7]])
    assert found.seeds == 2
    assert found.mean == pytest.approx((0.3, 0.6, 0.5))
    assert found.error == pytest.approx(
        [np.std([a, b], ddof=1) / 2**0.5 for a, b in ((0.2, 0.4), (0.4, 0.8), (0.9, 0.1))]
    )
    assert found.best == pytest.approx((0.3, 0.6, 0.6))
    assert found.best_update == 2
    assert band([[0.2, 0.4]]).error == (0.0, 0.0)


def test_curves_are_smoothed_before_seeds_are_put_together() -> None:
    assert band([[0.0, 1.0, 0.0]], smooth=2).mean == pytest.approx((0.0, 0.5, 0.5))


def test_a_metric_is_shown_for_the_arms_whose_seeds_all_have_it() -> None:
    lacking = [{"train/pass_rate": 0.1}] * 3
    found = bands_of({**ARMS, "dense": [curves(0.1, 0.1, 0.1), lacking]}, smooth=1)
    assert set(found["train/pass_rate"]) == {"rl", "psgpo", "dense"}
    assert set(found["train/lines"]) == {"rl", "psgpo"}
    assert "time/step" not in found


def test_the_summary_names_what_the_parent_run_is_given() -> None:
    summary = summarise(bands_of(ARMS, 1), {"rl": (0.2,), "psgpo": (0.3, 0.5), "untrained": (0.1,)})
    assert summary["psgpo"]["iqm"] == pytest.approx(0.4)
    assert summary["psgpo"]["standard_error"] == pytest.approx(0.1)
    assert summary["psgpo"]["best_pass_rate"] == pytest.approx(0.6)
    assert summary["psgpo"]["best_update"] == 2
    assert summary["rl"]["standard_error"] == 0
    assert set(summary["untrained"]) == {"seeds", "iqm", "standard_error"}


def test_the_figure_carries_its_data_and_needs_nothing_else(tmp_path: Path) -> None:
    scores = {"rl": (0.2,), "psgpo": (0.3, 0.5)}
    meanings = {"train/pass_rate": "share </script> of programs"}
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_across_seeds(ARMS, scores, MATRIX, meanings, 1, tmp_path / name)
    page = (tmp_path / "one" / "across_seeds.html").read_text()
    held = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert held is not None
    data = json.loads(held[1])
    assert data["metrics"]["train/pass_rate"]["psgpo"]["best"] == pytest.approx([0.3, 0.6, 0.6])
    assert data["meanings"]["train/pass_rate"] == meanings["train/pass_rate"]
    assert not re.search(r"(src|href)=|https?://(?!www\.w3\.org)", page)
    for name in ("across_seeds.html", "across_seeds.png", "solved_matrix.png"):
        first, second = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two"))
        assert first == second
        assert len(first) > 3000
