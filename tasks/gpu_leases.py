"""Which job has which GPU: a lease per device, kept by the container engine itself.

A lease is a container that is created and never started, named after the device. Names are unique on an engine, so of two
jobs that want a device one gets it, whichever process, worker or restart they come from; there is no file to go stale.
A lease whose job is no more is removed by the next who needs the device, or by the reaper.
"""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tasks.job_profile import DEPLOYMENT_LABEL, LEASE_LABEL, DockerSettings, lease_creation
from tasks.jobs import ContainerCall

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

_YOUNG_SECONDS = 60.0  # a job's container is created after its leases
_WAIT_SECONDS = 5.0
_CONFLICT = 409


def take(client: DockerClient, settings: DockerSettings, call: ContainerCall, image: str) -> tuple[str, ...]:
    """Ids of `call.gpus` devices, leased to the job; waits until they are free. None where there are no devices.

    Raises TimeoutError when they are not free within the job's own time.
    """
    wanted = min(call.gpus, len(settings.gpus))
    deadline = time.monotonic() + call.timeout_seconds
    while True:
        held: list[str] = []
        for device in settings.gpus:
            if len(held) < wanted and _lease(client, settings, call.name, image, device):
                held.append(device)
        if len(held) == wanted:
            return tuple(held)
        release(client, settings, call.name)  # all or none: two jobs with half each would wait for ever
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {wanted} of the GPUs {', '.join(settings.gpus)} became free")
        time.sleep(_WAIT_SECONDS)


def release(client: DockerClient, settings: DockerSettings, job: str) -> None:
    """Give back every device of a job."""
    for lease in leases(client, settings.deployment):
        if lease.labels[LEASE_LABEL] == job:
            _remove(lease)


def leases(client: DockerClient, deployment: str) -> list[Container]:
    wanted = [LEASE_LABEL, f"{DEPLOYMENT_LABEL}={deployment}"]
    return client.containers.list(all=True, filters={"label": wanted}, ignore_removed=True)


def is_stale(client: DockerClient, lease: Container) -> bool:
    """The job has no container, or one that has ended; a young lease may still get one."""
    from docker.errors import NotFound

    try:
        return client.containers.get(lease.labels[LEASE_LABEL]).status in ("exited", "dead")
    except NotFound:
        created = datetime.fromisoformat(lease.attrs["Created"][:19]).replace(tzinfo=UTC)
        return (datetime.now(UTC) - created).total_seconds() > _YOUNG_SECONDS


def _lease(client: DockerClient, settings: DockerSettings, job: str, image: str, device: str) -> bool:
    from docker.errors import APIError, NotFound

    name = f"{settings.deployment}-gpu-{device}"
    for attempt in (1, 2):
        try:
            client.containers.create(**lease_creation(name, job, settings, image))
            return True
        except APIError as error:
            if error.status_code != _CONFLICT:
                raise
        with suppress(NotFound):
            lease = client.containers.get(name)
            if lease.labels.get(LEASE_LABEL) == job:
                return True
            if attempt == 2 or not is_stale(client, lease):
                return False
            _remove(lease)  # by its id: a fresh lease of the same name stays
    return False


def _remove(lease: Container) -> None:
    from docker.errors import APIError

    with suppress(APIError):
        lease.remove(force=True)
