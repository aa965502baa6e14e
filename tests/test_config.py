"""Configuration is resolved completely or refused, with the key and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from tasks.config import RunConfig, Section, validate_config
from tasks.errors import BadInput
from tasks.profiles import load_config, profile_names


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_is_whole_and_named_after_its_file(name: str) -> None:
    assert load_config(name).profile == name


def test_the_defaults_are_the_demo_profile() -> None:
    assert load_config("demo") == RunConfig()


def test_overrides_win_over_the_profile_and_are_yaml() -> None:
    config = load_config(
        "smoke",
        [
            "ppo.learning_rate=1e-4",
            "arms.arms=[rl, psgpo]",
            "model.source=./my-model",
            "reward.neutral_lines=false",
        ],
    )
    assert config.ppo.learning_rate == 1e-4
    assert config.arms.arms == ("rl", "psgpo")
    assert config.model.source == "./my-model"
    assert config.reward.neutral_lines is False
    assert config.sft.epochs == load_config("smoke").sft.epochs


def test_a_file_of_one_s_own_may_be_yaml_or_json(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("profile: mine\nppo: {learning_rate: 2e-4}\n")
    (tmp_path / "mine.json").write_text('{"profile": "mine", "ppo": {"learning_rate": 0.0002}}')
    assert load_config(str(tmp_path / "mine.yaml")) == load_config(str(tmp_path / "mine.json"))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("ppo.lerning_rate=1e-4", r"^ppo\.lerning_rate: .*allowed: one of steps, "),
        ("pop.steps=1", r"^pop: .*allowed: one of profile, model, "),
        ("ppo.learning_rate=-1", r"^ppo\.learning_rate: .*greater than 0.*got -1"),
        ("ppo.steps=many", r"^ppo\.steps: .*integer.*got 'many'"),
        ("ppo.steps=0", r"^ppo\.steps: .*greater than or equal to 1"),
        ("prm.selection=best", r"^prm\.selection: .*'revised_only'"),
        ("arms.arms=[psgpo, psgpo]", "^arms: .*without repeats"),
        ("arms.arms=[]", "^arms: .*non-empty"),
        ("arms.arms=[ppo]", r"^arms\.arms\.0: "),
        ("data.steps_min=9", r"^data\.steps_min: "),
        ("data={steps_min: 5, steps_max: 3}", "^data: .*steps_min 5 must not exceed steps_max 3"),
        ("model.tiny.width=130", r"^model\.tiny: .*multiple of heads"),
        ("ppo=3", "^ppo: "),
        ("profile.name=x", r"^profile\.name: goes through a value that is not a section"),
        ("ppo.steps", "^--set ppo.steps: is not KEY=VALUE"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(override: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        load_config("demo", [override])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b\n", "is not a mapping"),
        ("ppo: [", "is not YAML"),
        ("ppo: !!python/object:os.system {}", "is not YAML"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(BadInput, match=f"mine.yaml: {message}"):
        load_config(str(tmp_path / "mine.yaml"))


def test_an_unknown_profile_lists_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"profile 'demmo'.*allowed: .*demo.*smoke"):
        load_config("demmo")


def test_the_tree_is_frozen_all_the_way_down() -> None:
    config = RunConfig()
    with pytest.raises(ValidationError, match="frozen"):
        config.ppo.steps = 3  # type: ignore[misc]
    assert all(isinstance(value, Section | str) for value in dict(config).values())


def test_a_resolved_tree_reads_back_as_itself() -> None:
    config = load_config("smoke", ["cell.arm=psgpo", "cell.seed=1"])
    assert validate_config(config.model_dump(mode="json")) == config
