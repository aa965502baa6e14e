"""The stage contract: argv in, one JSON line out, everything else in the store.

    python -m tasks STAGE --config PROFILE_OR_FILE [--set KEY=VALUE ...] --input NAME=URI ... --store URI

The last line on stdout is the result envelope `{stage, artifact, digest, cached, metrics, mlflow_run_id}`. Exit codes:
0 done, 64 bad configuration or bad data (never retried), 75 try again (checkpointed), other: crash. SIGTERM asks the
stage to checkpoint and leave with 75. A stage whose manifest exists returns at once (`cached: true`): that is the
retry, the resume and the step cache.

A stage file defines one `STAGE = Stage(...)` and keeps heavy imports inside functions, so that a cached stage starts
quickly. `run(context)` reads `context.inputs`, writes files into `context.output` and returns its summary metrics.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tasks.cache import cache_folder
from tasks.config import ResourcesConfig, RunConfig
from tasks.errors import BadInput, TryAgain
from tasks.launch import follows
from tasks.profiles import load_config
from tasks.stages.effort import Effort
from tasks.stages.progress import Progress
from tasks.store import Artifact, Checkpoints, digest_of, fetch, fetch_uri, open_store, publish
from tasks.store.artifacts import MANIFEST, artifact_key
from tasks.tracking.runs import NoTracker, Tracker, open_tracker

STOP_SECONDS = 20
"""What a stage has for its last checkpoint, less than the runner's patience: should the runner be killed meanwhile, as
Airflow does with a cancelled task, nobody else would end the stage. Airflow asks up to a heartbeat (5 s) after a task
was cancelled, and 30 s after that nothing of it may be left."""
_RECORDED_PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "pyarrow")


@dataclass(frozen=True)
class Stage:
    """What a stage is. Bump `version` whenever the same inputs would give other content.

    `kind` names its artifacts; `sections` the parts of the configuration it reads; `inputs` maps input names to artifact
    kinds. A trailing `*` marks an input that may be given several times (`NAME=URI` repeated), a trailing `?` an optional
    one; `*?` is both. `reads` gives the hashes of files outside the store that the configuration names, so that another
    content under the same name is other work. A `distributed` stage may be run by several processes together.
    """

    name: str
    kind: str
    version: int
    sections: tuple[str, ...]
    inputs: Mapping[str, str]
    run: Callable[[StageContext], Mapping[str, float]]
    reads: Callable[[RestrictedConfig], Mapping[str, str]] | None = None
    distributed: bool = False


@dataclass(frozen=True)
class StageContext:
    """What a running stage sees. `resources` is no part of its identity: the output must not depend on it."""

    config: RestrictedConfig
    inputs: Mapping[str, tuple[Artifact, ...]]
    output: Path
    checkpoints: Checkpoints
    tracker: Tracker
    progress: Progress
    stop: StopRequest
    resources: ResourcesConfig

    def input(self, name: str) -> Artifact:
        """The one artifact given for an input."""
        (artifact,) = self.inputs[name]
        return artifact

    def optional_input(self, name: str) -> Artifact | None:
        return next(iter(self.inputs.get(name, ())), None)


@dataclass(frozen=True)
class RestrictedConfig:
    """The configuration seen through a stage's declared sections: reading another one is a programming error."""

    _tree: RunConfig
    _sections: tuple[str, ...]

    def __getattr__(self, section: str) -> Any:
        if section not in self._sections:
            raise AttributeError(f"stage does not declare configuration section {section!r}")
        return getattr(self._tree, section)

    def read(self) -> dict[str, Any]:
        """The declared sections as plain data: what the digest hashes."""
        sections = {name: getattr(self._tree, name) for name in self._sections}
        return {n: s.model_dump(mode="json") if isinstance(s, BaseModel) else s for n, s in sections.items()}


@dataclass
class StopRequest:
    """Set by SIGTERM. Loops call `check()` where they can stop: it saves through `save` and leaves with TryAgain.

    The process ends (SIGALRM) when it has not done so `STOP_SECONDS` after it was first asked; being asked again, as by the
    kernel when the runner has been killed, gives it no more time.
    """

    requested: bool = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        signal.signal(signal.SIGTERM, self._asked)
        try:
            yield
        finally:
            signal.alarm(0)

    def _asked(self, *_: object) -> None:
        if not self.requested:
            signal.alarm(STOP_SECONDS)
        self.requested = True

    def check(self, save: Callable[[], None] | None = None) -> None:
        if self.requested:
            if save is not None:
                save()
            raise TryAgain("stopped by SIGTERM")


@dataclass(frozen=True)
class Job:
    """One call of a stage: where it reads and writes, and what it is called in the tracking server."""

    config: RunConfig
    inputs: Mapping[str, tuple[str, ...]]
    store: str
    label: str = ""


def parse_job(name: str, what: str, argv: Sequence[str]) -> Job:
    """The command line of a stage. Raises BadInput for a wrong one."""
    parser = _Parser(prog=f"python -m tasks {name}", description=what)
    parser.add_argument("--config", required=True, help="profile name, or a YAML/JSON file")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override, e.g. ppo.steps=20"
    )
    parser.add_argument("--input", action="append", default=[], metavar="NAME=URI", help="input artifact")
    parser.add_argument("--store", required=True, help="file:///path or s3://bucket/prefix")
    parser.add_argument("--label", default="", help="name of this job in MLflow and in the progress lines")
    arguments = parser.parse_args(argv)
    inputs: dict[str, tuple[str, ...]] = {}
    for given in arguments.input:
        key, separator, uri = given.partition("=")
        if not separator:
            raise BadInput(f"--input {given}", "is not NAME=URI")
        inputs[key] = (*inputs.get(key, ()), uri)
    return Job(load_config(arguments.config, arguments.set), inputs, arguments.store, arguments.label)


class _Parser(argparse.ArgumentParser):
    """Usage errors leave with 64 like every other bad input."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise BadInput(f"{self.prog}", message, self.format_usage().strip())


def run_stage(stage: Stage, job: Job) -> dict[str, Any]:
    """Run `stage`, or return its finished artifact; the envelope as a dict, empty where another process has it.

    Raises BadInput (exit 64) and TryAgain (exit 75); nothing is published in either case.
    """
    store = open_store(job.store)
    cache = cache_folder()
    config = RestrictedConfig(job.config, stage.sections)
    inputs = read_inputs(stage, job.inputs, cache)
    identity = identity_of(
        stage, config, {name: [a.content for a in artifacts] for name, artifacts in inputs.items()}
    )
    digest = digest_of(identity)
    key = artifact_key(stage.kind, digest)
    if follows():
        return _follow(stage, job, config, inputs, Checkpoints(store, digest, cache, read_only=True))
    if store.exists(f"{key}/{MANIFEST}"):
        manifest = fetch(store, key, cache).manifest
        # a process may have been killed after it had published and before it could clear
        Checkpoints(store, digest, cache).clear()
        with open_tracker(stage.name, digest, job.label or stage.name, config.read()) as tracker:
            _note_cached(tracker, stage, f"{store.uri}/{key}", manifest)
        return _envelope(stage, f"{store.uri}/{key}", manifest, cached=True)

    stop = StopRequest()
    checkpoints = Checkpoints(store, digest, cache)
    effort = Effort(checkpoints.told())
    checkpoints.tell = effort.told
    with (
        stop.listening(),
        tempfile.TemporaryDirectory(prefix=f"psgpo-{stage.name}-") as scratch,
        open_tracker(stage.name, digest, job.label or stage.name, config.read()) as tracker,
    ):
        context = StageContext(
            config,
            inputs,
            Path(scratch),
            checkpoints,
            tracker,
            Progress(job.label or stage.name),
            stop,
            job.config.resources,
        )
        try:
            metrics = dict(stage.run(context))
        except (BadInput, OSError):
            if not store.exists(f"{key}/{MANIFEST}"):
                raise
            # a second process was first with the same work, and has taken the checkpoints away
            checkpoints.clear()
            return _envelope(stage, f"{store.uri}/{key}", fetch(store, key, cache).manifest, cached=True)
        tracker.log({f"{stage.name}/{name}": value for name, value in metrics.items()})
        manifest = publish(
            store,
            key,
            context.output,
            {
                "kind": stage.kind,
                "identity": identity,
                "input_artifacts": {name: [a.uri for a in artifacts] for name, artifacts in inputs.items()},
                "metrics": metrics,
                **effort.told(),
                "packages": _package_versions(),
                "processor": _processor(),
                "revision": os.environ.get("PSGPO_REVISION", ""),
                "mlflow_run_id": tracker.run_id,
                "label": job.label,
            },
        )
        tracker.tag({"artifact": f"{store.uri}/{key}", "digest": digest, "content": str(manifest["content"])})
    checkpoints.clear()
    return _envelope(stage, f"{store.uri}/{key}", manifest, cached=False)


def _follow(
    stage: Stage,
    job: Job,
    config: RestrictedConfig,
    inputs: Mapping[str, tuple[Artifact, ...]],
    checkpoints: Checkpoints,
) -> dict[str, Any]:
    """Compute along with rank 0, which alone publishes, tracks and tells. A finished artifact is its matter, too."""
    if checkpoints.store.exists(f"{artifact_key(stage.kind, checkpoints.digest)}/{MANIFEST}"):
        return {}
    stop = StopRequest()
    with (
        stop.listening(),
        tempfile.TemporaryDirectory(prefix=f"psgpo-{stage.name}-") as scratch,
        open(os.devnull, "w") as silence,
    ):
        progress = Progress(job.label or stage.name, silence)
        resources = job.config.resources
        stage.run(
            StageContext(config, inputs, Path(scratch), checkpoints, NoTracker(), progress, stop, resources)
        )
    return {}


def identity_of(
    stage: Stage, config: RestrictedConfig, contents: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """All that a stage's output depends on; its hash is the artifact's digest. `contents`: content hashes of the inputs."""
    identity = {
        "stage": stage.name,
        "version": stage.version,
        "config": config.read(),
        "inputs": {name.rstrip("?*"): list(contents.get(name.rstrip("?*"), ())) for name in stage.inputs},
    }
    if stage.reads is not None:
        identity["reads"] = dict(stage.reads(config))
    return identity


def _note_cached(tracker: Tracker, stage: Stage, uri: str, manifest: Mapping[str, Any]) -> None:
    """A pipeline run that finds an artifact still shows it as a child; `made_by` is the run that has the curves."""
    if tracker.run_id != manifest["mlflow_run_id"]:
        tracker.log({f"{stage.name}/{name}": value for name, value in manifest["metrics"].items()})
        tracker.tag({"artifact": uri, "cached": "true", "made_by": str(manifest["mlflow_run_id"])})


def read_inputs(
    stage: Stage, given: Mapping[str, tuple[str, ...]], cache: Path
) -> dict[str, tuple[Artifact, ...]]:
    unknown = sorted(set(given) - {name.rstrip("?*") for name in stage.inputs})
    if unknown:
        raise BadInput(
            f"--input {unknown[0]}", f"is no input of {stage.name}", ", ".join(stage.inputs) or "none"
        )
    read = {}
    for declared, kind in stage.inputs.items():
        name = declared.rstrip("?*")
        uris = given.get(name, ())
        if not uris and not declared.endswith("?"):
            raise BadInput(
                f"--input {name}", f"is missing for {stage.name}", f"{name}=URI of a {kind} artifact"
            )
        if len(uris) > 1 and "*" not in declared:
            raise BadInput(f"--input {name}", "is given more than once", "once")
        read[name] = tuple(fetch_uri(uri, cache) for uri in uris)
        for artifact in read[name]:
            if artifact.kind not in kind.split("|"):
                raise BadInput(f"--input {name}={artifact.uri}", f"is a {artifact.kind} artifact", kind)
    return read


def _envelope(stage: Stage, uri: str, manifest: Mapping[str, Any], *, cached: bool) -> dict[str, Any]:
    return {
        "stage": stage.name,
        "artifact": uri,
        "digest": uri.rsplit("/", 1)[-1],
        "cached": cached,
        "metrics": manifest["metrics"],
        "seconds": manifest["seconds"],
        "mlflow_run_id": manifest["mlflow_run_id"],
    }


def _package_versions() -> dict[str, str]:
    return {"python": sys.version.split()[0], **{name: version(name) for name in _RECORDED_PACKAGES}}


def _processor() -> str:
    """Its kind: another one rounds otherwise, and then samples differ. As Linux tells it, or else as Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    known = (facts.get(name, "") for name in ("vendor_id", "cpu family", "model", "model name"))
    return " ".join(fact for fact in known if fact) or platform.machine()
