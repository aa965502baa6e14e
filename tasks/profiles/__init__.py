"""Profiles: the YAML files beside this one, and how one of them, or a file, becomes a configuration.

`load_config(profile_or_file, ["ppo.learning_rate=1e-4"])` resolves the source, then the overrides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tasks.config import RunConfig, validate_config
from tasks.errors import BadInput

PROFILES = Path(__file__).parent


def profile_names() -> tuple[str, ...]:
    """Names of the checked-in profiles."""
    return tuple(sorted(path.stem for path in PROFILES.glob("*.yaml")))


def load_config(source: str, overrides: Iterable[str] = ()) -> RunConfig:
    """Resolve a profile name or a YAML/JSON file plus `key=value` overrides into one checked tree.

    Raises BadInput for an unknown profile, file, key or value.
    """
    tree = _read_source(source)
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator:
            raise BadInput(f"--set {override}", "is not KEY=VALUE", "for example ppo.steps=20")
        _assign(tree, key.strip(), _parse(text, f"--set {override:.80}"))
    return validate_config(tree)


class _Loader(yaml.SafeLoader):
    """YAML where `1e-4` is a number (YAML 1.1 wants a dot) and a date is text."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d+)?$"),
    list("-+0123456789."),
)


def _read_source(source: str) -> dict[str, Any]:
    named = PROFILES / f"{source}.yaml"
    path = named if "/" not in source and named.is_file() else Path(source)
    if not path.is_file():
        raise BadInput(f"profile {source!r}", "is neither a profile nor a file", ", ".join(profile_names()))
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(str(path), f"is not YAML: {error}") from error
    tree = _parse(text, str(path))
    if not isinstance(tree, dict):
        raise BadInput(str(path), "is not a mapping", "sections such as `ppo:` with keys below")
    return tree


def _parse(text: str, where: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise BadInput(where, f"is not YAML: {error!s:.200}") from error


def _assign(tree: dict[str, Any], key: str, value: Any) -> None:
    *sections, leaf = key.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise BadInput(key, "goes through a value that is not a section")
    tree[leaf] = value
