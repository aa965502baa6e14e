"""The broker between scheduler and engine, both real: jobs run through it, ways to the host do not (docs/security.md)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from tasks.job_profile import DockerSettings
from tests.conftest import free_port
from tests.integration.docker.conftest import docker_socket
from tests.integration.docker.test_job_container import collect, talk

if TYPE_CHECKING:
    from docker import DockerClient

    from tests.integration.docker.conftest import Runs

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def broker(settings: DockerSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[DockerClient]:
    """A client of the broker; `DOCKER_HOST` leads there, too."""
    import docker

    port = free_port()
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": str(ROOT / "containers"),
        "PORT": str(port),
        "DOCKER_SOCKET": docker_socket(),
        "PSGPO_DEPLOYMENT": settings.deployment,
        "PSGPO_JOB_IMAGE": settings.image,
        "PSGPO_JOB_NETWORKS": ",".join(settings.networks),
        "PSGPO_JOB_GPUS": "0,1",
    }
    process = subprocess.Popen([sys.executable, "-m", "broker"], env=environment, stderr=subprocess.PIPE)
    for _ in range(300):
        try:
            urlopen(f"http://127.0.0.1:{port}/_ping", timeout=5).close()
            break
        except OSError:
            time.sleep(0.2)
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
    client = docker.from_env(timeout=60)
    yield client
    client.close()
    process.terminate()
    process.wait(10)


def test_a_job_runs_through_it(broker: DockerClient, job: Runs) -> None:
    one = job(talk())
    lines, _, outcome = collect(one, one.submit())
    assert lines == ["line 0", "line 1", "line 2"]
    assert outcome.envelope == {"stage": "toy", "answer": 42}


def test_a_job_is_stopped_through_it_and_its_name_freed(broker: DockerClient, job: Runs) -> None:
    one = job("import time; time.sleep(600)", timeout_seconds=2.0)
    assert collect(one, one.submit())[2].stopped.startswith("timeout")
    assert broker.containers.list(all=True) == []


def refused(what: object) -> str:
    from docker.errors import APIError

    with pytest.raises(APIError) as raised:
        what()  # type: ignore[operator]
    assert raised.value.status_code == 403, raised.value
    return str(raised.value.explanation)


def test_ways_to_the_host_are_refused(broker: DockerClient, settings: DockerSettings) -> None:
    image = broker.images.get(settings.image).id
    for arguments in (
        {"privileged": True},
        {"volumes": {"/": {"bind": "/host", "mode": "rw"}}},
        {"network_mode": "host"},
        {"pid_mode": "host"},
        {},  # no hardened profile at all
    ):
        assert "refused by the broker" in refused(
            lambda arguments=arguments: broker.containers.create(image, "true", **arguments)
        )
    assert "not for jobs" in refused(lambda: broker.images.pull("alpine", tag="3.20"))
    assert "not for jobs" in refused(lambda: broker.volumes.create("x"))
    assert "not for jobs" in refused(lambda: broker.info())
    assert "not for jobs" in refused(lambda: broker.networks.create("x"))
    assert "not for jobs" in refused(lambda: broker.containers.prune())


def test_containers_that_are_no_jobs_are_not_there(
    broker: DockerClient, engine: DockerClient, settings: DockerSettings
) -> None:
    other = engine.containers.create(settings.image, ["sleep", "60"], environment={"SECRET": "x"})
    try:
        assert other.id not in [one.id for one in broker.containers.list(all=True)]
        assert other.id in [one.id for one in engine.containers.list(all=True)]
        for what in (
            lambda: broker.containers.get(other.id),
            lambda: broker.api.start(other.id),
            lambda: broker.api.remove_container(other.id),
            lambda: broker.api.logs(other.id),
        ):
            assert "no job of this deployment" in refused(what)
    finally:
        other.remove(force=True)


def test_nobody_gets_into_a_job_or_learns_its_secrets(broker: DockerClient, job: Runs) -> None:
    one = job("import time; time.sleep(60)", env={"AWS_SECRET_ACCESS_KEY": "planted"})
    container = broker.containers.get(one.submit())
    assert "planted" not in str(container.attrs)
    for what in (
        lambda: container.exec_run("true"),
        lambda: container.put_archive("/tmp", b""),
        lambda: next(container.get_archive("/etc/passwd")[0]),
        lambda: container.update(mem_limit="8g"),
        lambda: container.attach(stream=False, logs=True),
    ):
        refused(what)
