"""What containers cost: `python -m bench containers [--repeats 5] [--smoke]`.

1. Sizes of the images.
2. From the call that creates a job to the first line on its stderr: a bare Python, the first stage of the smoke profile
   (which imports what it needs before it says anything), and that stage as a process of this machine, in turns; medians.
3. With `--smoke`, the whole compose stack (with compose.local.yml of the tests): seconds until it is healthy, and
   in a smoke run of `psgpo_train`, over all its jobs, the share of their time that goes by before their first line.

Needs an engine and the images of `sh tests/integration/docker/images.sh`. The last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.job_container import JobContainer
from tasks.job_process import JobProcess
from tasks.job_profile import DockerSettings
from tasks.jobs import JobSpec, as_container, as_process

if TYPE_CHECKING:
    from docker import DockerClient

NAMES = ("airflow", "broker", "mlflow", "sandbox", "trainer")
TRAINER = "psgpo/trainer:0.1.0"
_UP_SECONDS, _RUN_SECONDS = 600.0, 3000.0
_LOOK_SECONDS = 0.2


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench containers", description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--smoke", action="store_true", help="a smoke run in the whole stack, too")
    options = parser.parse_args(argv)
    figures: dict[str, Any] = {"bench": "containers", "load_before": os.getloadavg()[0]}
    engine = connected()
    if engine is None:
        figures["skipped"] = f"no engine, or no image {TRAINER}: sh tests/integration/docker/images.sh"
    else:
        figures["image_mb"] = sizes(engine)
        figures["seconds_to_first_line"] = starts(engine, options.repeats)
        if options.smoke:
            figures["smoke"] = smoke(engine)
    print(json.dumps(figures), flush=True)
    return 0


def connected() -> DockerClient | None:
    import docker
    from docker.errors import DockerException

    try:
        engine = docker.from_env(timeout=60)
        engine.images.get(TRAINER)
    except (DockerException, OSError):
        return None
    return engine


def sizes(engine: DockerClient) -> dict[str, int]:
    """Millions of bytes, as `docker image ls` shows them; layers that images share are counted in each."""
    return {name: round(engine.images.get(f"psgpo/{name}:0.1.0").attrs["Size"] / 1e6) for name in NAMES}


# ---- 2


def starts(engine: DockerClient, repeats: int) -> dict[str, float]:
    name = f"psgpo-bench-{secrets.token_hex(4)}"
    network = engine.networks.create(name, internal=True)
    settings = DockerSettings(TRAINER, (name,), name)
    seen: dict[str, list[float]] = {"bare": [], "stage": [], "stage_as_process": []}
    try:
        for turn in range(repeats + 1):  # the first warms the page cache
            now = {
                "bare": in_container(settings, ("-c", "import sys; print('here', file=sys.stderr)")),
                "stage": in_container(settings, None),
                "stage_as_process": in_process(),
            }
            print(f"turn {turn}: {now}", file=sys.stderr, flush=True)
            for way, seconds in now.items():
                seen[way] += [seconds] if turn else []
    finally:
        network.remove()
    return {way: round(statistics.median(seconds), 2) for way, seconds in seen.items()}


def first_stage(store: str) -> JobSpec:
    argv = ("--config", "smoke", "--store", store, "--label", "bench")
    return JobSpec("prepare_problems", argv, memory_mb=1500, timeout_seconds=300)


def in_container(settings: DockerSettings, python: tuple[str, ...] | None) -> float:
    """Seconds; `python`: arguments of the interpreter in the stage's place."""
    spec = first_stage("file:///tmp/store")
    call = as_container(spec, f"{settings.deployment}-job", {})
    if python:
        call = replace(call, argv=("python", *python))
    job, lines = JobContainer(call, settings), list[float]()
    began = time.time()
    outcome = job.follow(job.submit(), lambda line, at: lines.append(epoch(at)))
    if outcome.code or outcome.stopped:
        raise RuntimeError(f"the job failed: {outcome}")
    return lines[0] - began


def in_process() -> float:
    with tempfile.TemporaryDirectory() as folder:
        lines: list[float] = []
        began = time.time()
        outcome = JobProcess(as_process(first_stage(f"file://{folder}/store"), os.environ)).run(
            lambda line: lines.append(time.time())
        )
    if outcome.code:
        raise RuntimeError(f"the job failed: {outcome}")
    return lines[0] - began


# ---- 3


def smoke(engine: DockerClient) -> dict[str, Any]:
    from tests.integration.docker.stack import DAG, ComposeStack, compose_command

    command = compose_command()
    if command is None:
        return {"skipped": "no docker compose"}
    with tempfile.TemporaryDirectory() as folder:
        stack = ComposeStack(engine, command, Path(folder), "/var/run/docker.sock")
        try:
            began = time.monotonic()
            stack.up(_UP_SECONDS)
            up = time.monotonic() - began
            stack.wait_for_dag()
            watch = Watch(engine, stack.name)
            stack.airflow.trigger(DAG, "bench", {"profile": "smoke"})
            state, seconds = stack.follow("bench", _RUN_SECONDS)
            return {"up_seconds": round(up), "state": state, "run_seconds": round(seconds)} | watch.figures()
        finally:
            stack.down()


class Watch:
    """When a deployment's jobs were created, said their first line and ended, seen from outside until `figures`."""

    def __init__(self, engine: DockerClient, deployment: str) -> None:
        self._engine, self._label = engine, f"psgpo.deployment={deployment}"
        self._created: dict[str, float] = {}
        self._said: dict[str, float] = {}
        self._ended: dict[str, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def figures(self) -> dict[str, Any]:
        self._over.set()
        self._thread.join()
        whole = [job for job in self._ended if job in self._said]
        starting = [self._said[job] - self._created[job] for job in whole]
        lasting = [self._ended[job] - self._created[job] for job in whole]
        return {
            "jobs": len(whole),
            "median_seconds_to_first_line": round(statistics.median(starting), 2),
            "share_before_first_line": round(sum(starting) / sum(lasting), 3),
        }

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            here = self._engine.containers.list(
                filters={"label": ["psgpo.job", self._label]}, ignore_removed=True
            )
            now = time.time()
            for container in here:
                created = self._created.setdefault(str(container.id), epoch(container.attrs["Created"]))
                if container.id not in self._said:
                    self._look(container, created)
            for gone in self._created.keys() - {str(container.id) for container in here}:
                self._ended.setdefault(gone, now)

    def _look(self, container: Any, created: float) -> None:
        from docker.errors import APIError

        with suppress(APIError):  # it has ended meanwhile
            text = container.logs(stdout=False, stderr=True, timestamps=True)
            if first := text.decode(errors="replace").partition("\n")[0]:
                self._said[str(container.id)] = max(created, epoch(first.partition(" ")[0]))


def epoch(stamp: str) -> float:
    """Of an engine's time: `2026-01-02T03:04:05.123456789Z`."""
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")


if __name__ == "__main__":
    sys.exit(main())
