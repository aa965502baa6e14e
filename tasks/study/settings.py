"""A study: which settings are run with which arms and seeds, read from a YAML file.

A setting is a set of overrides of the study's base, which is a set of overrides of a profile; so every cell of a study is
a cell of `psgpo_train` with a configuration of its own. What was tuned for an arm, and what a setting changes for its
cells alone, comes on top and leaves the setting's foundation (problems to PRM) as it is: arms stay each other's pairs.
`docs/study.md` is the protocol.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tasks.config import ArmName, RunConfig
from tasks.errors import BadInput
from tasks.profiles import load_config

STUDIES = Path(__file__).parent / "studies"
MAIN = "main"
Phase = Literal["development", "confirmation"]
PHASES: Mapping[str, str] = {"development": "validation", "confirmation": "confirmation"}
"""The split that each phase evaluates on."""

Overrides = Mapping[str, Any]


class Setting(BaseModel):
    """`arms`: seeds by arm. `cells`: overrides of the training and evaluation of every arm, not of the foundation.

    A comparison's other side is `arm` of `setting`: `against` is `SETTING/ARM`. `tunes`: a grid point of the search for
    tuned values; its cells are for development alone and stand in no comparison.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    questions: tuple[int, ...]
    about: str
    overrides: Overrides = {}
    cells: Overrides = {}
    arms: Mapping[ArmName, Annotated[int, Field(ge=1)]]
    against: str = f"{MAIN}/rl"
    tunes: bool = False


class Study(BaseModel):
    """`frozen`: the protocol is committed and nothing is tuned any more; only then may confirmation problems be asked.

    `tuned`: what tuning chose for an arm: overrides of its cells in every setting. `also_checked`: other studies, whose
    main setting's PRM is measured on programs of this one's policy, too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    profile: str
    frozen: bool = False
    base: Overrides = {}
    tuned: Mapping[ArmName, Overrides] = {}
    also_checked: tuple[str, ...] = ()
    settings: Mapping[str, Setting]

    @model_validator(mode="after")
    def _sides_exist(self) -> Study:
        for name, setting in self.settings.items():
            other, _, arm = setting.against.partition("/")
            if other not in self.settings or arm not in self.settings[other].arms:
                raise ValueError(f"setting {name} is compared with {setting.against}, which is not run")
        return self

    def config(self, setting: str, phase: str, arm: str = "") -> RunConfig:
        """The whole configuration of a setting's foundation, or of the cells of one of its arms.

        Raises BadInput for one that does not fit, naming its key.
        """
        return load_config(self.profile, self.overrides(setting, phase, arm))

    def overrides(self, setting: str, phase: str, arm: str = "") -> list[str]:
        """What differs from the profile, later ones winning.

        Raises BadInput before the protocol is frozen, and for confirmation of a setting that tunes.
        """
        self._check(setting, phase)
        one = self.settings[setting]
        of_cells = {**self.tuned.get(arm, {}), **one.cells} if arm else {}  # type: ignore[call-overload]
        chosen = {**self.base, **one.overrides, **of_cells, "evaluation.split": PHASES[phase]}
        return [f"{key}={_text(value)}" for key, value in chosen.items()]

    def asked(self, question: int) -> list[str]:
        """The settings that answer a question: the main one, which the others are changes of, first."""
        return [name for name, one in self.settings.items() if question in one.questions or name == MAIN]

    def of_phase(self, phase: str) -> dict[str, Setting]:
        """The settings that a phase runs: those that tune are for development alone."""
        return {name: one for name, one in self.settings.items() if phase == "development" or not one.tunes}

    def chosen_arms(self, asked: Sequence[str], settings: Sequence[str]) -> set[str]:
        """Those asked for, or all of the settings. Raises BadInput for one that none of them has."""
        known = dict.fromkeys(arm for name in settings for arm in self.settings[name].arms)
        for arm in asked:
            if arm not in known:
                raise BadInput("arms", f"{arm!r} is no arm of {', '.join(settings)}", ", ".join(known))
        return set(asked or known)

    def _check(self, setting: str, phase: str) -> None:
        if phase not in PHASES:
            raise BadInput("phase", f"{phase!r} is unknown", ", ".join(PHASES))
        if setting not in self.settings:
            raise BadInput("setting", f"{setting!r} is unknown", ", ".join(self.settings))
        if phase == "development":
            return
        if not self.frozen:
            raise BadInput(
                "phase",
                "confirmation problems are asked once, when nothing is tuned any more",
                f"`frozen: true` in the study {self.name}, committed with the protocol",
            )
        if self.settings[setting].tunes:
            raise BadInput(
                "setting", f"{setting!r} tunes: confirmation problems are not for that", "development"
            )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def study_names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in STUDIES.glob("*.yaml")))


def load_study(source: str) -> Study:
    """A checked-in study by name, or a YAML file. Raises BadInput naming the file and the key."""
    path = STUDIES / f"{source}.yaml" if source in study_names() else Path(source)
    if not path.is_file():
        raise BadInput(f"study {source!r}", "is neither a study nor a file", ", ".join(study_names()))
    try:
        study = Study.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise BadInput(str(path), f"is not YAML: {error!s:.200}") from error
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"]) or "study"
        raise BadInput(f"{path}: {where}", str(fault["msg"]), "see tasks/study/settings.py") from error
    for name, setting in study.settings.items():
        for arm in ("", *setting.arms):
            study.config(name, "development", arm)
    return study
