"""Plan of an evaluation: which models, which benchmarks, and where each model is.

    python -m tasks plan-evaluation --run-id ID --store URI [--conf JSON] [--set KEY=VALUE ...]

`--conf` is a filled trigger form (`tasks/form.py`). A model is a folder, a hub id (`NAME/MODEL`, `NAME/MODEL@REVISION`), the
address of an artifact, or a registered model (`champion`, `psgpo-policy@challenger`, `models:/psgpo-policy/3`). What is not
there is refused, before anything is spent. The last line on stdout is the plan that the DAG maps its tasks over.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.benchmarks.sources import HUB, local_files
from tasks.config import RunConfig
from tasks.errors import BadInput
from tasks.form import EVALUATION, read_form
from tasks.plan import check_model, open_parent, read_conf
from tasks.profiles import load_config
from tasks.store import open_store
from tasks.store.artifacts import MANIFEST, read_manifest, split_address
from tasks.tracking.server import as_stage_errors

if TYPE_CHECKING:
    from tasks.tracking.registry import ModelVersion

ALIASES = ("champion", "challenger", "previous")
DAG = "psgpo_evaluate"
_NO_METRIC_NAME = re.compile(r"[^\w\-. :/]")
_REGISTERED = re.compile(r"(?:models:/)?(?P<name>[\w-]+)(?:@(?P<alias>[\w-]+)|/(?P<version>\d+))")


@dataclass(frozen=True)
class Model:
    """`artifact` is its address, `training` that of the problems it was trained on; `source` and `revision` name a model
    that has to be brought into the store first."""

    name: str
    artifact: str = ""
    training: str = ""
    source: str = ""
    revision: str = ""

    def as_cell(self) -> dict[str, Any]:
        if self.artifact:
            return {"label": self.name, "artifact": self.artifact, "training": self.training}
        return {
            "label": self.name,
            "settings": {"model.source": self.source, "model.revision": self.revision},
        }


def main(argv: Sequence[str]) -> int:
    """Print the plan as one JSON line. Raises BadInput (exit 64)."""
    parser = argparse.ArgumentParser(prog="python -m tasks plan-evaluation", description=__doc__)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--run-id", required=True, help="names the run; the same id finds the same run again")
    parser.add_argument("--store", required=True, help="file:///path or s3://bucket/prefix")
    parser.add_argument("--conf", default="{}", help="a filled trigger form as JSON")
    arguments = parser.parse_args(argv)
    profile, overrides = read_form(read_conf(arguments.conf), EVALUATION)
    config = load_config(profile, [*overrides, *arguments.set])
    open_store(arguments.store)
    with as_stage_errors():
        plan = make_plan(config, arguments.run_id)
    # every task gets its own model, benchmark and source by its cell
    kept = [one for one in (*overrides, *arguments.set) if not one.startswith(("compare.", "model."))]
    print(json.dumps({"profile": profile, "overrides": kept, **plan}, sort_keys=True), flush=True)
    return 0


def make_plan(config: RunConfig, run_id: str) -> dict[str, Any]:
    """Raises BadInput for a model or a benchmark file that is not there."""
    if not config.compare.benchmarks:
        raise BadInput("compare.benchmarks", "are none", "at least one")
    models = all_models(config)
    for name in config.compare.benchmarks:
        if config.benchmark.source != HUB and name != "stepcode":
            local_files(config.benchmark.model_copy(update={"name": name}))
    labels = [f"{benchmark}/{model.name}" for benchmark in config.compare.benchmarks for model in models]
    print(f"plan: {', '.join(labels)}", file=sys.stderr)
    parent, experiment = open_parent(config, run_id, labels, DAG)
    return {
        "stage": "plan",
        "models": [model.as_cell() for model in models],
        "benchmarks": [
            {"label": name, "settings": {"benchmark.name": name}} for name in config.compare.benchmarks
        ],
        "parent_run_id": parent,
        "experiment_id": experiment,
    }


def all_models(config: RunConfig) -> list[Model]:
    """The champion first, if there is one and it is wanted, then the models given; each once, with names of their own."""
    given = [find_model(address.strip()) for address in config.compare.models if address.strip()]
    champion = _champion() if config.compare.with_champion else None
    if champion is not None:
        given = [champion, *(model for model in given if model.artifact != champion.artifact)]
    if not given:
        raise BadInput(
            "compare.models",
            "are none, and there is no champion",
            "folders, hub ids, artifact addresses, aliases",
        )
    seen: Counter[str] = Counter()
    named = []
    for model in given:
        seen[model.name] += 1
        count = f"-{seen[model.name]}" if seen[model.name] > 1 else ""
        named.append(replace(model, name=_NO_METRIC_NAME.sub("_", model.name) + count))
    return named


def find_model(address: str) -> Model:
    """Where a model is. Raises BadInput when it is not there, or is no model."""
    if address in ALIASES:
        from tasks.tracking.registry import POLICY_MODEL

        return _registered(address, POLICY_MODEL, alias=address)
    folder = Path(address).expanduser().resolve()
    if (folder / MANIFEST).is_file() and not (folder / "config.json").is_file():
        return _artifact(f"file://{folder}")  # a policy's folder in a store on disk
    if folder.is_dir():
        check_model(address, "")
        return Model(folder.name, source=address)
    if "://" in address:
        return _artifact(address)
    if address.startswith("models:/") or ("/" not in address and "@" in address):
        match = _REGISTERED.fullmatch(address)
        if match is None:
            raise BadInput(
                f"model {address!r}", "names no registered model", "models:/NAME@ALIAS, models:/NAME/3"
            )
        return _registered(address, match["name"], match["alias"] or "", match["version"] or "")
    source, _, revision = address.partition("@")
    return Model(source, source=source, revision=check_model(source, revision))


def _artifact(address: str, name: str = "") -> Model:
    root, key = split_address(address)
    try:
        manifest = read_manifest(open_store(root), key)
    except FileNotFoundError:
        raise BadInput(f"model {address!r}", "no such artifact", "the address of a policy or model") from None
    if manifest["kind"] not in ("policy", "model"):
        raise BadInput(f"model {address!r}", f"is a {manifest['kind']} artifact", "a policy or a model")
    trained = manifest["identity"]["stage"] in ("sft", "train_policy")
    problems = manifest["input_artifacts"].get("problems", []) if trained else []
    label = manifest["label"].split(" ", 1)[-1] or manifest["kind"]
    return Model(name or f"{label} {key[-64:][:8]}", address, problems[0] if problems else "")


def _registered(address: str, name: str, alias: str = "", version: str = "") -> Model:
    from tasks.tracking.registry import Registry
    from tasks.tracking.server import URI_VARIABLE, configured_server

    server = configured_server()
    if server is None:
        raise BadInput(
            f"model {address!r}", f"needs {URI_VARIABLE}", "a folder, a hub id, an artifact address"
        )
    registry = Registry(server)
    found: ModelVersion | None = registry.by_alias(name, alias) if alias else None
    if version:
        found = next((one for one in registry.versions(name) if one.version == version), None)
    if found is None or "artifact" not in found.tags:
        raise BadInput(
            f"model {address!r}", "is not in the registry", "an alias or version of a registered model"
        )
    return _artifact(found.tags["artifact"], alias or f"{name} v{version}")


def _champion() -> Model | None:
    from tasks.tracking.registry import POLICY_MODEL, Registry
    from tasks.tracking.server import configured_server

    server = configured_server()
    if server is None or Registry(server).by_alias(POLICY_MODEL, "champion") is None:
        return None
    return _registered("champion", POLICY_MODEL, alias="champion")
