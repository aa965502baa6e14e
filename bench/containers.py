"""What containers cost: `python -m bench containers [--repeats 5]`.

1. Sizes of the images.
2. From the call that creates a job to the first line on its stderr: a bare Python, the first stage of the smoke profile
   (which imports what it needs before it says anything), and that stage as a process of this machine, in turns; medians.

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
import time
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tasks.job_container import JobContainer
from tasks.job_process import JobProcess
from tasks.job_profile import DockerSettings
from tasks.jobs import JobSpec, as_container, as_process

if TYPE_CHECKING:
    from docker import DockerClient

NAMES = ("airflow", "broker", "mlflow", "sandbox", "trainer")
TRAINER = "psgpo/trainer:0.1.0"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench containers", description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(argv)
    figures: dict[str, Any] = {"bench": "containers", "load_before": os.getloadavg()[0]}
    engine = connected()
    if engine is None:
        figures["skipped"] = f"no engine, or no image {TRAINER}: sh tests/integration/docker/images.sh"
    else:
        figures["image_mb"] = sizes(engine)
        figures["seconds_to_first_line"] = starts(engine, options.repeats)
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


def epoch(stamp: str) -> float:
    """Of an engine's time: `2026-01-02T03:04:05.123456789Z`."""
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")


if __name__ == "__main__":
    sys.exit(main())
