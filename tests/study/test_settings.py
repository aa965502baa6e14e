"""Studies as data: every checked-in setting fits, and confirmation waits for the frozen protocol."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tasks.errors import BadInput
from tasks.study.settings import load_study, study_names

MICRO = Path(__file__).with_name("micro.yaml")


@pytest.mark.parametrize("name", study_names())
def test_checked_in_studies_hold_the_protocol(name):
    study = load_study(name)
    main = study.settings["main"]
    assert all(main.arms[arm] >= 10 for arm in ("rl", "dense", "value_init", "psgpo"))
    asking = [setting for setting in study.settings.values() if not setting.tunes]
    assert all(seeds >= 5 for setting in asking for seeds in setting.arms.values())
    for setting in study.settings:
        config = study.config(setting, "development")
        assert config.evaluation.split == "validation"
        assert config.data.confirmation_problems > 0
        assert config.data.seed != 0, "the demo's problems have been looked at"
        # what tests grade and what the dense reward may do must not differ by accident
        assert config.sandbox == study.config("main", "development").sandbox


@pytest.mark.parametrize("name", study_names())
def test_every_arm_is_tuned_with_the_same_effort(name):
    """The same values, on the same number of seeds; what an arm of `main` is run with was tried for it."""
    study = load_study(name)
    tried: dict[str, list] = {}
    for setting in study.settings.values():
        if setting.tunes:
            assert not setting.overrides, "a grid point shares the foundation of main"
            for arm, seeds in setting.arms.items():
                tried.setdefault(arm, []).append((dict(setting.cells), seeds))
    points = list(tried.values())
    assert points
    assert all(one == points[0] for one in points)
    assert set(study.settings["main"].arms) - {"rl_long"} <= set(tried)
    for arm, values in study.tuned.items():
        # a monitor stops a training, it changes none
        trains = {key: value for key, value in values.items() if not key.startswith("ppo.monitors.")}
        assert trains in [cells for cells, _ in tried["rl" if arm == "rl_long" else arm]]


def test_the_list_study_asks_questions_one_to_nine():
    asked = {question for one in load_study("lists").settings.values() for question in one.questions}
    assert asked == set(range(1, 10))


def test_domains_differ_in_their_problems_alone():
    trees = [load_study(name).config("main", "development").model_dump() for name in ("lists", "strings")]
    for tree in trees:
        tree["data"].pop("domain", None)
    assert trees[0] == trees[1]


def test_every_domain_s_prm_judges_the_programs_of_all_others():
    everyone = set(study_names())
    assert all(set(load_study(name).also_checked) == everyone - {name} for name in everyone)


def altered(tmp_path: Path, change) -> str:
    tree = yaml.safe_load(MICRO.read_text())
    change(tree)
    path = tmp_path / "altered.yaml"
    path.write_text(yaml.safe_dump(tree))
    return str(path)


def test_confirmation_waits_for_the_frozen_protocol(tmp_path):
    with pytest.raises(BadInput, match="frozen"):
        load_study(str(MICRO)).config("main", "confirmation")
    frozen = load_study(altered(tmp_path, lambda tree: tree.update(frozen=True)))
    assert frozen.config("main", "confirmation").evaluation.split == "confirmation"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda tree: tree.update(sead=1), "sead"),
        (lambda tree: tree["settings"]["main"]["arms"].update(rl=0), "arms"),
        (lambda tree: tree["settings"]["main"]["arms"].update(magic=2), "arms"),
        (lambda tree: tree["settings"]["more_kl"].update(against="main/dense"), "main/dense"),
        (lambda tree: tree["base"].update({"ppo.stops": 3}), "ppo.stops"),
    ],
)
def test_a_wrong_study_is_refused_by_name(tmp_path, change, named):
    with pytest.raises(BadInput, match=named):
        load_study(altered(tmp_path, change))


def test_an_unknown_study_setting_and_phase_are_refused():
    with pytest.raises(BadInput, match="nonesuch"):
        load_study("nonesuch")
    study = load_study(str(MICRO))
    with pytest.raises(BadInput, match="setting"):
        study.overrides("nonesuch", "development")
    with pytest.raises(BadInput, match="phase"):
        study.overrides("main", "testing")
