"""A job and a real S3 server, each in its container: what the job says when the store refuses it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest

from tasks.errors import EXIT_BAD_INPUT
from tasks.job_container import JobContainer
from tasks.job_profile import DEPLOYMENT_LABEL, DockerSettings
from tasks.jobs import ContainerCall
from tests.integration.docker.conftest import needs_image

if TYPE_CHECKING:
    from docker import DockerClient

pytestmark = pytest.mark.slow

TRAINER, SERVER = "psgpo/trainer:0.1.0", "psgpo/test-store:dev"
START_SECONDS = 180.0
PLAN = ("python", "-m", "tasks", "plan", "--config", "smoke", "--run-id", "x", "--store", "s3://psgpo/store")
MAKE_BUCKET = (
    "python",
    "-c",
    "import boto3, botocore.config as c; "
    "boto3.client('s3', config=c.Config(s3={'addressing_style': 'path'})).create_bucket(Bucket='psgpo')",
)


@pytest.fixture
def access(engine: DockerClient, settings: DockerSettings) -> Iterator[dict[str, str]]:
    """The environment of a job that may use a store in its network; the store holds the bucket `psgpo`."""
    for image in (TRAINER, SERVER):
        needs_image(engine, image)
    secret = secrets.token_hex(16)
    server = engine.containers.run(
        SERVER,
        name=f"{settings.deployment}-store",
        network=settings.networks[0],
        labels={DEPLOYMENT_LABEL: settings.deployment},
        environment={"S3_TRAINER_SECRET": secret},
        detach=True,
    )
    server.reload()
    address = server.attrs["NetworkSettings"]["Networks"][settings.networks[0]]["IPAddress"]
    deadline = time.monotonic() + START_SECONDS
    while not answers(f"http://{address}:8333/healthcheck"):
        assert time.monotonic() < deadline, server.logs(tail=20).decode()
        time.sleep(1)
    given = {
        "AWS_ENDPOINT_URL_S3": f"http://{server.name}:8333",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "psgpo:trainer",
        "AWS_SECRET_ACCESS_KEY": secret,
        "OMP_NUM_THREADS": "1",
    }
    made, lines = ended(settings, MAKE_BUCKET, given)
    assert made.code == 0, lines
    yield given
    server.remove(force=True, v=True)


def answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=5):
            return True
    except OSError:
        return False


def ended(settings: DockerSettings, argv: tuple[str, ...], env: dict[str, str]) -> tuple[Any, list[str]]:
    """How a job of the trainer's image ended, and its lines."""
    mine = DockerSettings(TRAINER, settings.networks, settings.deployment)
    call = ContainerCall(f"{settings.deployment}-plan", argv, env, 1500, 300.0, gpus=0, cpus=1, shm_mb=64)
    job, lines = JobContainer(call, mine), list[str]()
    return job.follow(job.submit(), lambda line, at: lines.append(line)), lines


def test_wrong_credentials_are_bad_input_in_one_line_and_right_ones_are_not(
    settings: DockerSettings, access: dict[str, str]
) -> None:
    refused, lines = ended(settings, PLAN, {**access, "AWS_SECRET_ACCESS_KEY": "wrong-secret"})
    assert refused.code == EXIT_BAD_INPUT
    assert lines[-1].startswith("error: store s3://psgpo/store: cannot be written: ")
    assert [line for line in lines if "Traceback" in line or "wrong-secret" in line] == []
    planned, lines = ended(settings, PLAN, access)
    assert planned.code == 0, lines
    assert planned.envelope["stage"] == "plan"


def test_a_store_that_is_not_there_is_named_in_one_line_and_may_be_tried_again(
    settings: DockerSettings, access: dict[str, str]
) -> None:
    away, lines = ended(settings, PLAN, {**access, "AWS_ENDPOINT_URL_S3": "http://no-such-store:8333"})
    assert away.code not in (0, EXIT_BAD_INPUT)
    assert "store s3://psgpo/store" in lines[-1]
    assert [line for line in lines if "Traceback" in line] == []
