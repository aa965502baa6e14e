"""Containers of jobs whose run is over, and leases of GPUs that nobody uses; found by what the engine remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from tasks.gpu_leases import is_stale, leases
from tasks.job_profile import DEPLOYMENT_LABEL, JOB_LABEL, LEASE_LABEL, DockerSettings

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container


def sweep(
    client: DockerClient, settings: DockerSettings, live: Callable[[], set[str]], take_away: bool
) -> Iterator[str]:
    """One line per container or lease that is left over; with `take_away` it is gone when its line comes.

    `live` names the jobs of all runs that are active. It is asked after the engine: a job that began in between is
    then not taken for one whose run is over.
    """
    jobs, held = _jobs(client, settings.deployment), leases(client, settings.deployment)
    active = live()
    done = "removed" if take_away else "would remove"
    for job in jobs:
        if job.labels[JOB_LABEL] not in active:
            if take_away:
                _remove(job)
            yield f"{done} container {job.labels[JOB_LABEL]} ({job.status}): its run is over"
    for lease in held:
        if lease.labels[LEASE_LABEL] not in active or is_stale(client, lease):
            if take_away:
                _remove(lease)
            yield f"{done} lease {lease.name}: its job {lease.labels[LEASE_LABEL]} is over"


def _jobs(client: DockerClient, deployment: str) -> list[Container]:
    wanted = [JOB_LABEL, f"{DEPLOYMENT_LABEL}={deployment}"]
    return client.containers.list(all=True, filters={"label": wanted}, ignore_removed=True)


def _remove(container: Container) -> None:
    """By its id: another of the same name stays."""
    from docker.errors import NotFound

    with suppress(NotFound):  # it may have ended by itself meanwhile
        container.remove(force=True, v=True)
