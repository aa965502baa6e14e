"""What may be asked of the engine: to make, watch and end jobs with the hardened profile, and nothing else.

Whatever is not named here is refused, unknown fields of a body too, so that what a newer engine can do is refused until
somebody has thought about it. Docs: docs/security.md.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

JOB_LABEL, LEASE_LABEL, DEPLOYMENT_LABEL = "psgpo.job", "psgpo.lease", "psgpo.deployment"
USER = "65532:65532"
MOST_TASKS = 4096
LOG_OPTIONS = {"max-size", "max-file"}


@dataclass(frozen=True)
class Policy:
    """`images`: ids of the images jobs may have, as the engine knows them now; the rest by name."""

    deployment: str
    images: frozenset[str]
    networks: frozenset[str]
    gpus: frozenset[str]


class Refused(Exception):
    """The request is not passed on; the message says why."""


def check_creation(body: Any, policy: Policy) -> None:
    """A body of `POST /containers/create`. Raises Refused."""
    if not isinstance(body, dict):
        raise Refused("the body is no object")
    host = body.get("HostConfig")
    if not isinstance(host, dict):
        raise Refused("HostConfig is missing")
    _check_fields("", body, _top(policy))
    _check_fields("HostConfig.", host, _host(policy))
    for name, value in (("User", USER), ("Image", None), ("Labels", None)):
        if not body.get(name) or (value and body[name] != value):
            raise Refused(f"{name} must be {value or 'given'}")
    for name in (
        "CapDrop",
        "ReadonlyRootfs",
        "SecurityOpt",
        "PidsLimit",
        "Memory",
        "MemorySwap",
        "NetworkMode",
    ):
        if not host.get(name):
            raise Refused(f"HostConfig.{name} must be given")
    if host["Memory"] != host["MemorySwap"]:
        raise Refused("HostConfig.MemorySwap must be equal to Memory")


def check_connection(body: Any, network: str, policy: Policy) -> str:
    """A body of `POST /networks/NAME/connect`; the container it is about. Raises Refused."""
    if network not in policy.networks:
        raise Refused(f"the network {network} is not for jobs")
    if not isinstance(body, dict) or set(body) - {"Container", "EndpointConfig"} or not body.get("Container"):
        raise Refused("only {Container, EndpointConfig} may be given")
    _check_endpoint(body.get("EndpointConfig"))
    return str(body["Container"])


def check_owner(labels: Mapping[str, str] | None, policy: Policy) -> None:
    """Containers that are no jobs of this deployment are not there. Raises Refused."""
    given = labels or {}
    if given.get(DEPLOYMENT_LABEL) != policy.deployment or not {JOB_LABEL, LEASE_LABEL} & set(given):
        raise Refused("that container is no job of this deployment")


def without_secrets(container: Any) -> Any:
    """What the engine says of a container, without its environment."""
    if isinstance(container, dict) and isinstance(container.get("Config"), dict):
        return {**container, "Config": {**container["Config"], "Env": []}}
    return container


Check = Callable[[Any], bool]


def _top(policy: Policy) -> dict[str, Check]:
    return {
        "Image": lambda value: value in policy.images,
        "User": lambda value: value == USER,
        "Cmd": _is_texts,
        "Env": _is_texts,
        "Labels": lambda value: _is_ours(value, policy),
        "HostConfig": lambda value: True,  # field by field
        "NetworkingConfig": lambda value: _is_networking(value, policy),
        "AttachStdout": _is_truth,
        "AttachStderr": _is_truth,
        "Tty": lambda value: value is False,
        "NetworkDisabled": _is_truth,
    }


def _host(policy: Policy) -> dict[str, Check]:
    return {
        "NetworkMode": lambda value: value in policy.networks,
        "CapDrop": lambda value: value == ["ALL"],
        "ReadonlyRootfs": lambda value: value is True,
        "SecurityOpt": lambda value: value == ["no-new-privileges:true"],
        "IpcMode": lambda value: value == "private",
        "Init": _is_truth,
        "PidsLimit": lambda value: _is_count(value) and value <= MOST_TASKS,
        "Memory": _is_count,
        "MemorySwap": _is_count,
        "NanoCpus": _is_count,
        "ShmSize": _is_count,
        "Mounts": lambda value: isinstance(value, list) and all(_is_scratch(mount) for mount in value),
        "DeviceRequests": lambda value: (
            isinstance(value, list) and all(_is_gpu(one, policy) for one in value)
        ),
        "LogConfig": _is_log,
    }


def _check_fields(where: str, given: Mapping[str, Any], checks: Mapping[str, Check]) -> None:
    """Fields without a check must say nothing: null, false, 0 or empty."""
    for name, value in given.items():
        if value in (None, "", 0, [], {}):
            continue
        if name not in checks or not checks[name](value):
            raise Refused(f"{where}{name} may not be {str(value)[:80]!r}")


def _is_ours(labels: Any, policy: Policy) -> bool:
    known = isinstance(labels, dict) and all(str(name).startswith("psgpo.") for name in labels)
    return (
        known
        and labels.get(DEPLOYMENT_LABEL) == policy.deployment
        and bool({JOB_LABEL, LEASE_LABEL} & set(labels))
    )


def _is_networking(value: Any, policy: Policy) -> bool:
    if not isinstance(value, dict) or any(value[name] for name in value if name != "EndpointsConfig"):
        return False  # the SDK also sends a network's name with null
    endpoints = value.get("EndpointsConfig") or {}
    if not isinstance(endpoints, dict) or set(endpoints) - policy.networks:
        return False
    for endpoint in endpoints.values():
        _check_endpoint(endpoint)
    return True


def _check_endpoint(endpoint: Any) -> None:
    """Addresses and aliases are the engine's to choose: a job could take the store's name."""
    if endpoint and (not isinstance(endpoint, dict) or any(endpoint.values())):
        raise Refused("an endpoint may not be configured")


def _is_scratch(mount: Any) -> bool:
    """A nameless volume at /tmp: it can be nobody else's."""
    return (
        isinstance(mount, dict)
        and not set(mount) - {"Target", "Source", "Type", "ReadOnly"}
        and mount.get("Type") == "volume"
        and not mount.get("Source")
        and mount.get("Target") == "/tmp"  # noqa: S108
    )


def _is_gpu(request: Any, policy: Policy) -> bool:
    if not isinstance(request, dict) or request.get("Driver") not in ("nvidia", ""):
        return False
    devices = request.get("DeviceIDs") or []
    return (
        not request.get("Count")
        and not request.get("Options")
        and bool(devices)
        and set(devices) <= policy.gpus
        and request.get("Capabilities") == [["gpu"]]
    )


def _is_log(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.get("Type") == "json-file"
        and set(value.get("Config") or ()) <= LOG_OPTIONS
    )


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(type(text) is str for text in value)


def _is_truth(value: Any) -> bool:
    return value is True


def _is_count(value: Any) -> bool:
    return type(value) is int and value > 0


NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,200}"
READS = ("json", "logs")
CHANGES = ("start", "stop", "kill", "wait")
CONTAINER = re.compile(rf"/containers/({NAME})(?:/([a-z]+))?")
CONNECT = re.compile(rf"/networks/({NAME})/connect")
NETWORK = re.compile(rf"/networks/({NAME})")
IMAGE = re.compile(r"/images/([A-Za-z0-9][A-Za-z0-9_.:/@-]{0,250})/json")


def container_of(method: str, path: str) -> str | None:
    """The container that a request is about, when it is one of those that jobs need. Raises Refused for other ones."""
    match = CONTAINER.fullmatch(path)
    if match is None or match[1] in ("json", "create", "prune"):
        return None
    name, what = match.groups()
    allowed = {"GET": READS, "POST": CHANGES, "DELETE": (None,)}.get(method, ())
    if what not in allowed:
        raise Refused(f"{method} {path} is not for jobs")
    return name
