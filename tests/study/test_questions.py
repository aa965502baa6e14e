"""Which differences are those of a change, and which of an arm."""

from __future__ import annotations

import pytest

from tasks.study.analysis import Comparison
from tasks.study.comparisons import RIVALS
from tasks.study.questions import is_change
from tasks.study.settings import load_study


@pytest.mark.parametrize(
    ("name", "other", "expected"),
    [
        ("no_neutral/psgpo", "main/psgpo", True),
        ("no_neutral/psgpo", "main/rl", False),
        ("easier_mix/rl", "main/rl", False),  # the protocol's other side, though it is the same arm
        ("main/psgpo", "main/rl_long", False),
        ("longer/psgpo", "main/rl_long", False),
        ("equal_compute/rl_long", "main/rl_long", True),
    ],
)
def test_a_change_is_held_against_the_same_arm_of_main(name, other, expected):
    assert is_change(Comparison(name, other, 5, 9, 0.0, 0.0, 0.0)) is expected


@pytest.mark.parametrize("place", RIVALS)
def test_every_rival_is_run_by_the_list_study(place):
    """A rival that no setting runs would leave its sentence out of the page, and say nothing."""
    setting, arm = place.split("/", 1)
    assert arm in load_study("lists").settings[setting].arms
