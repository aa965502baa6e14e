"""What a job's container may do: the same hardened profile for all of them (docs/security.md).

No capabilities and no way to new ones, a user of no account, a read-only system, a scratch volume that goes with the
container, limits on memory, processor, processes and logs, and only the networks that jobs need.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.errors import BadInput
from tasks.jobs import ContainerCall

USER = "65532:65532"
JOB_LABEL, LEASE_LABEL = "psgpo.job", "psgpo.lease"
DEPLOYMENT_LABEL, SPEC_LABEL = "psgpo.deployment", "psgpo.spec"
_MOST_TASKS = 1024  # processes and threads of one job


@dataclass(frozen=True)
class DockerSettings:
    """Where and as what jobs run. `gpus`: ids of the devices that jobs may have; none: jobs run without."""

    image: str
    networks: tuple[str, ...]
    deployment: str
    gpus: tuple[str, ...] = ()

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> DockerSettings:
        """Raises BadInput when a variable is missing."""
        for name in ("PSGPO_JOB_IMAGE", "PSGPO_JOB_NETWORKS"):
            if not environment.get(name):
                raise BadInput(name, "is not set", "see .env.example")
        return cls(
            environment["PSGPO_JOB_IMAGE"],
            _listed(environment["PSGPO_JOB_NETWORKS"]),
            environment.get("PSGPO_DEPLOYMENT") or "psgpo",
            _listed(environment.get("PSGPO_JOB_GPUS", "")),
        )


def job_name(deployment: str, *parts: object) -> str:
    """The same for the same parts, whatever is in them: a readable beginning and a hash of all."""
    text = "/".join(str(part) for part in parts)
    readable = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in text)[:60]
    return f"{deployment}-{readable.strip('-')}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def creation(
    call: ContainerCall, settings: DockerSettings, image: str, devices: tuple[str, ...]
) -> dict[str, Any]:
    """Arguments of the SDK's `containers.create`: the hardened profile of every job (docs/security.md)."""
    from docker.types import DeviceRequest, LogConfig, Mount

    memory = f"{call.memory_mb}m"
    request = (
        [DeviceRequest(driver="nvidia", device_ids=list(devices), capabilities=[["gpu"]])] if devices else []
    )
    return {
        "image": image,
        "name": call.name,
        "entrypoint": [],
        "command": list(call.argv),
        "environment": dict(call.env),
        "labels": {
            JOB_LABEL: call.name,
            DEPLOYMENT_LABEL: settings.deployment,
            SPEC_LABEL: fingerprint(call, image),
        },
        "user": USER,
        "network": settings.networks[0],
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "ipc_mode": "private",
        "init": True,
        "pids_limit": _MOST_TASKS,
        "mem_limit": memory,
        "memswap_limit": memory,
        "nano_cpus": call.cpus * 10**9,
        "shm_size": f"{call.shm_mb}m",
        # scratch on disk, removed with the container; a tmpfs would count as memory
        "mounts": [Mount(target="/tmp", source=None, type="volume")],  # noqa: S108
        "device_requests": request,
        "log_config": LogConfig(type="json-file", config={"max-size": "50m", "max-file": "3"}),
    }


def fingerprint(call: ContainerCall, image: str) -> str:
    """What makes two jobs of one name the same work; secrets do not count."""
    text = json.dumps([image, call.argv, call.memory_mb, call.gpus, call.cpus, call.shm_mb])
    return hashlib.sha256(text.encode()).hexdigest()


def lease_creation(name: str, job: str, settings: DockerSettings, image: str) -> dict[str, Any]:
    """Arguments for a container that is never started and says which job holds a device (`tasks/gpu_leases.py`)."""
    call = ContainerCall(name, ("python", "--version"), {}, 64, 1.0, gpus=0, cpus=1, shm_mb=1)
    labels = {LEASE_LABEL: job, DEPLOYMENT_LABEL: settings.deployment}
    return {**creation(call, settings, image, ()), "labels": labels, "mounts": []}


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
