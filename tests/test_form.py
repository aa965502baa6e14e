"""The trigger form: generated from the configuration, read back as overrides of a profile."""

from __future__ import annotations

import pytest

from tasks.config import RunConfig
from tasks.errors import BadInput
from tasks.form import (
    CHOICES,
    EVALUATION,
    PROFILES_IN_WORDS,
    SECTIONS,
    TRAINING,
    form_fields,
    read_form,
)
from tasks.profiles import load_config, profile_names


def test_names_are_unambiguous() -> None:
    fields = form_fields()
    assert len({field.name for field in fields}) == len(fields) == sum(map(len, SECTIONS.values()))


def test_every_field_is_a_setting_with_bounds_and_meaning() -> None:
    by_key = {field.key: field for field in form_fields()}
    assert by_key["ppo.learning_rate"].schema == {"type": "number", "exclusiveMinimum": 0}
    assert by_key["labels.completer"].schema["enum"] == ["own", "final", "sft", "reference"]
    assert by_key["ppo.steps"].description == (
        "Policy updates. Empty: 30 (arms, demo), 200 (qwen2.5-7b, qwen2.5-coder-0.5b), 3 (smoke). Setting: ppo.steps"
    )
    for field in form_fields():
        section, leaf = field.key.split(".")
        assert hasattr(getattr(RunConfig(), section), leaf)


def test_lists_are_told_what_they_are_and_switches_are_yes_or_no() -> None:
    by_key = {field.key: field for field in form_fields()}
    assert by_key["arms.arms"].description.startswith("What is trained from the same start")
    assert by_key["arms.n_seeds"].description.startswith("How often each arm is trained")
    assert by_key["promotion.approval"].labels == {"true": "yes", "false": "no"}
    assert "Empty: no." in by_key["promotion.approval"].description
    models = next(field for field in form_fields(EVALUATION) if field.key == "compare.models")
    assert "Empty: none." in models.description
    assert set(PROFILES_IN_WORDS) == set(profile_names())


def test_choices_in_words_are_choices() -> None:
    fields = {field.key: field for form in (TRAINING, EVALUATION) for field in form_fields(form)}
    for key, words in CHOICES.items():
        schema = fields[key].schema
        assert set(words) <= set(schema.get("enum") or schema["items"]["enum"]), key
        assert fields[key].labels == words


def test_an_empty_form_is_the_profile() -> None:
    empty = {field.name: None for field in form_fields()} | {
        "labels_completer": "profile",
        "data_source": "",
        "arms_arms": [],
        "overrides": None,
    }
    assert read_form({"profile": "smoke", **empty}) == ("smoke", [])


def test_values_reach_the_configuration_with_their_types() -> None:
    conf = {
        "ppo_learning_rate": 1e-5,
        "arms_arms": ["psgpo", "rl"],
        "model_revision": "1234567",
        "data_source": "my: problems.jsonl",
        "overrides": "ppo.clip=0.1\n\n labels.seed=3 \n",
    }
    config = load_config(*read_form(conf))
    assert config.ppo.learning_rate == 1e-5
    assert config.arms.arms == ("psgpo", "rl")
    assert config.model.revision == "1234567"
    assert config.data.source == "my: problems.jsonl"
    assert (config.ppo.clip, config.labels.seed) == (0.1, 3)


def test_zero_is_a_value() -> None:
    assert read_form({"ppo_kl_coefficient": 0})[1] == ["ppo.kl_coefficient=0"]


@pytest.mark.parametrize("key", ["ppo_lerning_rate", "ppo.learning_rate", "cell_arm"])
def test_an_unknown_key_is_named_with_the_known_ones(key: str) -> None:
    with pytest.raises(BadInput, match=rf"parameter '{key}': is unknown; allowed: .*ppo_learning_rate"):
        read_form({key: 1})


def test_overrides_must_be_text() -> None:
    with pytest.raises(BadInput, match="overrides"):
        read_form({"overrides": {"ppo.clip": 1}})
