"""Sections about labels and PRM: audits are added up, controls stand beside the PRM, what is missing is said."""

from __future__ import annotations

from pathlib import Path

from tasks.reporting.page import Picture
from tasks.reporting.supervision import label_sections, prm_sections

PICTURES = {name: Picture(Path(f"{name}.png"), name) for name in ("position", "reliability")}
QUALITY = {"accuracy": 0.8, "balanced_accuracy": 0.75, "mse": 0.4, "lines": 120, "positive": 0.4}
PRM = {
    "selection": {"strategy": "revised_only"},
    "held_out": QUALITY,
    "held_out_all": {**QUALITY, "accuracy": 0.77},
    "controls": {"constant": {"accuracy": 0.6}, "shuffled_labels": {"accuracy": 0.5}},
}
CHECK = {
    "policy": {"arm": "psgpo", "seed": 0},
    "responses": 150,
    "passing": 40,
    "all": {**QUALITY, "accuracy": 0.71},
    "revised": {"lines": 0},
    "controls": {"constant": {"accuracy": 0.6}, "position": {"accuracy": 0.62}},
}


def cells(section):
    return {row[0]: row[1:] for row in section.table.rows}


def test_without_a_prm_there_is_nothing_to_say():
    assert prm_sections(None, None, {}) == []
    assert label_sections([], []) == []


def test_the_prm_stands_beside_its_controls_on_the_old_and_on_the_new_policy():
    fitted, moved = prm_sections(PRM, CHECK, PICTURES)
    header = fitted.table.header[1:]
    accuracy = header.index("accuracy")
    assert "revised_only" in fitted.text
    assert {name: row[accuracy] for name, row in cells(fitted).items()} == {
        "PRM, selected responses": "0.800",
        "PRM, all labelled responses": "0.770",
        "control: constant": "0.600",
        "control: shuffled_labels": "0.500",
    }
    assert {name: row[accuracy] for name, row in cells(moved).items()} == {
        "PRM, responses with both labels": "",
        "PRM, all responses": "0.710",
        "control: constant": "0.600",
        "control: position": "0.620",
    }
    assert cells(moved)["PRM, responses with both labels"][header.index("lines")] == "0"
    assert "150 programs that psgpo/seed0 wrote" in moved.text
    assert "40 of them pass" in moved.text


def test_a_check_that_was_not_possible_is_said():
    (_, moved) = prm_sections(PRM, {"policy": CHECK["policy"], "responses": 0}, PICTURES)
    assert moved.text.startswith("Not measured")
    assert moved.table is None


def audit(wrong_of_ten: int) -> dict:
    rate = {"lines": 10, "error_rate": wrong_of_ten / 10}
    nothing = {"lines": 0, "error_rate": None}
    positions = [{"position": (tenth + 0.5) / 10, **nothing} for tenth in range(10)]
    positions[0] |= rate
    return {
        "responses": 2,
        **rate,
        "by_label": {"+1": rate, "-1": nothing},
        "by_position": positions,
        "responses_not_monotone": wrong_of_ten,
        "most_completions_per_line": 32,
    }


def test_audits_of_all_checkpoints_are_added_up():
    _, trust = label_sections([{"responses": 240}, {"responses": 240}], [audit(1), audit(0)])
    assert "4 failing responses" in trust.text
    assert "in 1 of them" in trust.text
    assert cells(trust) == {
        "all": ("20", "1", "5.0"),
        "labelled +1": ("20", "1", "5.0"),
        "labelled -1": ("0", "0", ""),
        "first third of the program": ("20", "1", "5.0"),
        "middle third": ("0", "0", ""),
        "last third": ("0", "0", ""),
    }
