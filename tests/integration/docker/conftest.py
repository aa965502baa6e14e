"""A real container engine, or these tests are skipped and say why (docs/deploy.md, "Tests")."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tasks.job_container import JobContainer
from tasks.job_profile import DEPLOYMENT_LABEL, DockerSettings
from tasks.jobs import ContainerCall

if TYPE_CHECKING:
    from docker import DockerClient

# Python and nothing else: what these tests start in a job's place
SMALL_IMAGE = "psgpo/sandbox:0.1.0"


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerClient]:
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=60)
        client.ping()
    except (DockerException, OSError) as error:
        pytest.skip(f"no container engine on this machine ({type(error).__name__}); see .ci/engine")
    yield client
    client.close()


def needs_image(engine: DockerClient, name: str) -> str:
    from docker.errors import ImageNotFound

    try:
        engine.images.get(name)
    except ImageNotFound:
        pytest.skip(f"the image {name} is not built; sh tests/integration/docker/images.sh")
    return name


@pytest.fixture
def settings(engine: DockerClient) -> Iterator[DockerSettings]:
    """A deployment of this test's own, with two internal networks; all of it is gone afterwards."""
    image = needs_image(engine, SMALL_IMAGE)
    name = f"psgpo-test-{secrets.token_hex(4)}"
    networks = [engine.networks.create(f"{name}_{part}", internal=True) for part in ("jobs", "programs")]
    yield DockerSettings(image, tuple(str(network.name) for network in networks), name, ("0", "1"))
    for container in engine.containers.list(all=True, filters={"label": f"{DEPLOYMENT_LABEL}={name}"}):
        container.remove(force=True, v=True)
    for network in networks:
        network.remove()


Runs = Callable[..., JobContainer]


@pytest.fixture
def job(settings: DockerSettings) -> Runs:
    """`job(code, name=..., memory_mb=...)`: a job that runs a piece of Python with the profile of every job."""

    def make(
        code: str, name: str = "job", given: DockerSettings | None = None, **changes: Any
    ) -> JobContainer:
        limits = {"memory_mb": 256, "timeout_seconds": 60.0, "gpus": 0, "cpus": 1, "shm_mb": 64, **changes}
        env = limits.pop("env", {})
        call = ContainerCall(f"{settings.deployment}-{name}", ("python3", "-u", "-c", code), env, **limits)
        return JobContainer(call, given or settings)

    return make


def docker_socket() -> str:
    return os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
