"""`make study` refuses what the study does not have before it starts anything."""

from __future__ import annotations

import pytest

from infra.local import study


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--settings", "nothing"), "setting: 'nothing' is unknown"),
        (
            ("--settings", "easier_mix", "--arms", "psgpo"),
            "arms: 'psgpo' is no arm of easier_mix; allowed: rl",
        ),
    ],
)
def test_a_wrong_name_is_told_and_nothing_starts(given, told, monkeypatch, capsys):
    monkeypatch.setattr(study, "_run", lambda *_: pytest.fail("the stack was started"))
    assert study.main(given) == 64
    assert told in capsys.readouterr().err


def test_names_that_exist_are_passed_on(monkeypatch):
    asked = []
    monkeypatch.setattr(study, "_run", lambda name, conf: asked.append((name, conf["arms"])) or 0)
    assert study.main(("--settings", "main", "--arms", "rl,psgpo")) == 0
    assert asked == [("lists", ["rl", "psgpo"])]
