"""Airflow parameters generated from the trigger form (`tasks/form.py`): flat, in sections, all optional."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param

from tasks.form import (
    AS_PROFILE,
    EVALUATION,
    OVERRIDES,
    PROFILE,
    PROFILES_IN_WORDS,
    RETRAINING,
    Field,
    form_fields,
)
from tasks.profiles import profile_names

DEFAULT_PROFILE = "demo"
_PROFILE_SECTION = "What to train"


def train_params() -> dict[str, Param]:
    """The form of `psgpo_train`. With nothing filled in, a run of the profile `demo`."""
    return {
        PROFILE: _profile_param(),
        **{field.name: _param(field) for field in form_fields()},
        OVERRIDES: _overrides_param(),
    }


def evaluate_params() -> dict[str, Param]:
    """The form of `psgpo_evaluate`."""
    return {**{field.name: _param(field) for field in form_fields(EVALUATION)}, OVERRIDES: _overrides_param()}


def retrain_params() -> dict[str, Param]:
    """The form of `psgpo_retrain`. With nothing filled in, the champion's settings."""
    return {
        PROFILE: Param(
            AS_PROFILE,
            type="string",
            title="Profile while there is no champion",
            section=_PROFILE_SECTION,
            enum=[AS_PROFILE, *profile_names()],
            values_display={AS_PROFILE: f"({DEFAULT_PROFILE}, or the variable's)", **PROFILES_IN_WORDS},
            description="A checked-in set of settings; a champion brings its own.",
        ),
        **{field.name: _param(field) for field in form_fields(RETRAINING)},
        OVERRIDES: _overrides_param(),
    }


def _profile_param() -> Param:
    return Param(
        DEFAULT_PROFILE,
        type="string",
        title="Profile",
        section=_PROFILE_SECTION,
        enum=list(profile_names()),
        values_display=PROFILES_IN_WORDS,
        description="A checked-in set of settings. Every other field overrides one of them; left empty, it changes nothing.",
    )


def _param(field: Field) -> Param:
    """Choices become a drop-down, lists of choices chips, the rest text or numbers with their bounds."""
    schema: dict[str, Any] = dict(field.schema)
    about = {"title": field.title, "section": field.section, "description_md": field.description}
    if "enum" in schema:
        choices = [AS_PROFILE, *schema["enum"]]
        display = {AS_PROFILE: "(leave as it is)", **field.labels}
        return Param(AS_PROFILE, type="string", enum=choices, values_display=display, **about)
    if schema["type"] == "array":
        items = schema["items"]
        choices = items.get("enum", [items["const"]] if "const" in items else [])
        # without choices: one text per line
        chips = {"examples": list(choices), "values_display": dict(field.labels)} if choices else {}
        return Param(None, type=["null", "array"], items=items, **chips, **about)
    return Param(None, **{**schema, "type": ["null", schema["type"]]}, **about)


def _overrides_param() -> Param:
    return Param(
        None,
        type=["null", "string"],
        format="multiline",
        title="Any other setting",
        section="Budget",
        description_md="One `key=value` per line, for example `ppo.clip=0.1`. All keys: docs/configuration.md.",
    )
