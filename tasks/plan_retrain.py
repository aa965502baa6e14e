"""Plan of a retraining: is there anything new to train on, and with which settings?

    python -m tasks plan-retrain --run-id ID --store URI [--conf JSON]

New is what no registered policy was trained on: the problems as their source has them now, looked at here and not in
whatever woke this up. What a run makes is never taken for news. Settings are the champion's, read from the manifests
of what it was made from and evaluated with; while there is no champion they are a profile's. The last line on stdout
is the plan, with the filled form for `psgpo_train` in `conf`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.config import RunConfig
from tasks.errors import BadInput
from tasks.form import OVERRIDES, PROFILE, RETRAINING, read_form
from tasks.plan import check, read_conf
from tasks.profiles import load_config, profile_names
from tasks.store import Store, digest_of, open_store
from tasks.store.artifacts import artifact_key, read_manifest, split_address
from tasks.tracking.server import URI_VARIABLE, as_stage_errors, configured_server

if TYPE_CHECKING:
    from tasks.tracking.registry import ModelVersion


@dataclass(frozen=True)
class Settings:
    """A profile and what differs from it, as overrides; `told` says where they are from."""

    profile: str
    overrides: tuple[str, ...]
    told: str


def main(argv: Sequence[str]) -> int:
    """Print the plan as one JSON line. Raises BadInput (exit 64) and TryAgain (exit 75)."""
    parser = argparse.ArgumentParser(prog="python -m tasks plan-retrain", description=__doc__)
    parser.add_argument("--run-id", required=True, help="names the run")
    parser.add_argument("--store", required=True, help="file:///path or s3://bucket/prefix")
    parser.add_argument("--conf", default="{}", help="a filled trigger form as JSON")
    arguments = parser.parse_args(argv)
    server = configured_server()
    if server is None:
        raise BadInput(URI_VARIABLE, "is not set", "the address of MLflow: its registry knows the champion")
    from tasks.tracking.registry import POLICY_MODEL, Registry

    registry = Registry(server)
    with as_stage_errors():
        champion, versions = registry.by_alias(POLICY_MODEL, "champion"), registry.versions(POLICY_MODEL)
    plan = make_plan(open_store(arguments.store), read_conf(arguments.conf), champion, versions)
    print(f"plan: {plan['summary']}", file=sys.stderr)
    print(json.dumps(plan, sort_keys=True), flush=True)
    return 0


def make_plan(
    store: Store,
    conf: Mapping[str, Any],
    champion: ModelVersion | None,
    versions: Sequence[ModelVersion],
) -> dict[str, Any]:
    """`new` and, if so, the form for `psgpo_train`. Raises BadInput for settings or problems that are not there."""
    fallback, given = read_form(conf, RETRAINING)
    settings = champion_settings(champion) if champion else Settings(fallback, (), f"the profile {fallback}")
    overrides = (*settings.overrides, *given)
    config = load_config(settings.profile, overrides)
    check(config)
    known = trained_on(store, config, versions)
    where = "StepCode" if config.data.source == "stepcode" else config.data.source
    if known is not None:
        told = f"nothing new: version {known.version} was trained on {where} as it is now"
        return {"stage": "plan-retrain", "new": False, "conf": {}, "summary": told}
    return {
        "stage": "plan-retrain",
        "new": True,
        "conf": {PROFILE: settings.profile, OVERRIDES: "\n".join(overrides)},
        "summary": f"{where} is new: training with the settings of {settings.told}",
    }


def champion_settings(champion: ModelVersion) -> Settings:
    """What the champion was made and evaluated with: its arm only, over the profile it differs least from."""
    sections = recorded_sections([champion.tags["artifact"], champion.tags.get("evaluation", "")])
    arm = {"arms": {"arms": [sections.pop("cell")["arm"]]}}
    settings = _still_known(sections, load_config("demo").model_dump())
    by_profile = {name: differences(load_config(name), settings) for name in ("demo", *profile_names())}
    nearest = min(by_profile, key=lambda name: len(by_profile[name]))  # the demo's where several are as near
    overrides = (*by_profile[nearest], *differences(load_config(nearest), arm))
    return Settings(nearest, overrides, f"the champion (version {champion.version})")


def recorded_sections(addresses: Sequence[str]) -> dict[str, Any]:
    """Configuration sections from the manifests of artifacts and of all that they were made from, the nearest first.

    Raises BadInput when an artifact is gone.
    """
    sections: dict[str, Any] = {}
    waiting, seen = [address for address in addresses if address], set()
    while waiting:
        address = waiting.pop(0)
        if address in seen:
            continue
        seen.add(address)
        root, key = split_address(address)
        try:
            manifest = read_manifest(open_store(root), key)
        except FileNotFoundError:
            raise BadInput(address, "is gone, and the champion's settings with it") from None
        for name, values in manifest["identity"]["config"].items():
            sections.setdefault(name, values)
        waiting += [uri for uris in manifest["input_artifacts"].values() for uri in uris]
    return sections


def differences(config: RunConfig, recorded: Mapping[str, Any]) -> tuple[str, ...]:
    """Overrides that turn a configuration into the recorded one."""
    return tuple(_differences("", config.model_dump(mode="json"), recorded))


def _differences(prefix: str, present: Mapping[str, Any], recorded: Mapping[str, Any]) -> Iterator[str]:
    for name, value in recorded.items():
        if isinstance(value, dict):
            yield from _differences(f"{prefix}{name}.", present[name], value)
        elif value != present[name]:
            yield f"{prefix}{name}={json.dumps(value)}"


def _still_known(recorded: Mapping[str, Any], present: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Without the keys that the present code no longer has; they are named on stderr."""
    known = {}
    for name, value in recorded.items():
        if name not in present:
            print(f"setting {prefix}{name} is no more: left out", file=sys.stderr)
        else:
            nested = isinstance(value, dict) and isinstance(present[name], dict)
            known[name] = _still_known(value, present[name], f"{prefix}{name}.") if nested else value
    return known


def trained_on(store: Store, config: RunConfig, versions: Sequence[ModelVersion]) -> ModelVersion | None:
    """The newest registered policy that was trained on the configured problems as their source has them now."""
    from tasks.stages.prepare_problems import STAGE
    from tasks.stages.stage import RestrictedConfig, identity_of

    identity = identity_of(STAGE, RestrictedConfig(config, STAGE.sections), {})
    try:
        manifest = read_manifest(store, artifact_key(STAGE.kind, digest_of(identity)))
    except FileNotFoundError:
        return None
    same = [version for version in versions if version.tags.get("dataset") == manifest["content"]]
    return same[-1] if same else None
