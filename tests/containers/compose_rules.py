"""The rules that `docker-compose.yml` is held to, each as a function from the parsed file to what breaks it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]
VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z][A-Z0-9_]*)(?::?([-?])([^}]*))?\}")


def services(document: Document) -> dict[str, dict[str, Any]]:
    return dict(document["services"])


def is_once(service: Mapping[str, Any]) -> bool:
    return service.get("restart") == "no"


def is_exposed(document: Document, network: str) -> bool:
    return not (document["networks"][network] or {}).get("internal")


def unhealthy(document: Document) -> Iterator[str]:
    """Everything that stays has a health check with a start period; what ends is waited for by something that stays."""
    waited_for = {
        other
        for service in services(document).values()
        if not is_once(service) and "profiles" not in service
        for other, how in _as_mapping(service.get("depends_on", {})).items()
        if how and how["condition"] == "service_completed_successfully"
    }
    for name, service in services(document).items():
        check = service.get("healthcheck", {})
        if is_once(service):
            if not check.get("disable"):
                yield f"{name} ends and has a health check"
            if name not in waited_for and not _leads_to(document, name, waited_for):
                yield f"{name} ends and nothing that stays waits for it"
        elif not {"test", "interval", "timeout", "retries", "start_period"} <= set(check):
            yield f"{name} has no whole health check"


def _leads_to(document: Document, name: str, waited_for: set[str]) -> bool:
    return any(name in services(document)[other].get("depends_on", {}) for other in waited_for)


def unconditional(document: Document) -> Iterator[str]:
    """`depends_on` says what it waits for, and it can come true."""
    for name, service in services(document).items():
        for other, how in _as_mapping(service.get("depends_on", {})).items():
            condition = (how or {}).get("condition")
            wanted = (
                "service_completed_successfully" if is_once(services(document)[other]) else "service_healthy"
            )
            if condition != wanted:
                yield f"{name} waits for {other} to be {condition}, not {wanted}"


def _as_mapping(given: Any) -> dict[str, Any]:
    return dict.fromkeys(given) if isinstance(given, list) else dict(given)


def floating(document: Document) -> Iterator[str]:
    """Images have a version, never `latest`."""
    for name, service in services(document).items():
        _, _, tag = service["image"].rpartition("/")[2].partition(":")
        if "latest" in service["image"] or not re.search(r"\d", tag):
            yield f"{name} has the image {service['image']}"


def reachable(document: Document) -> Iterator[str]:
    """Ports are bound to the loopback interface, and only services of exposed networks have any."""
    for name, service in services(document).items():
        for port in service.get("ports", ()):
            if not str(port).startswith("127.0.0.1:"):
                yield f"{name} publishes {port}"
        exposed = [network for network in service.get("networks", ()) if is_exposed(document, network)]
        if exposed and not service.get("ports"):
            yield f"{name} has a way out through {exposed} and no port"
        if not service.get("networks") and service.get("network_mode") != "none":
            yield f"{name} is in the default network"


def privileged(document: Document) -> Iterator[str]:
    for name, service in services(document).items():
        if service.get("cap_drop") != ["ALL"] or "no-new-privileges:true" not in service.get(
            "security_opt", ()
        ):
            yield f"{name} keeps capabilities or may gain some"
        if service.get("privileged") or "host" in (service.get("network_mode"), service.get("pid")):
            yield f"{name} is privileged"
        sockets = [volume for volume in service.get("volumes", ()) if "docker.sock" in str(volume)]
        if sockets and name != "broker":
            yield f"{name} has the engine's socket"
        if service["image"].startswith("psgpo/") and service.get("user", "") in ("root", "0"):
            yield f"{name} runs as root"


def unseparated(document: Document) -> Iterator[str]:
    """Who shares a network with whom (docs/security.md)."""
    members: dict[str, set[str]] = {}
    for name, service in services(document).items():
        for network in service.get("networks", ()):
            members.setdefault(network, set()).add(name)
    wanted = {
        "programs": {"sandbox"},
        "jobs": {"store", "store-init", "mlflow"},
        "engine": {"broker", "airflow-scheduler", "airflow-worker"},
    }
    for network, allowed in wanted.items():
        if is_exposed(document, network):
            yield f"{network} has a way out"
        if members[network] != allowed:
            yield f"{network} holds {sorted(members[network])}, not {sorted(allowed)}"


def overinformed(document: Document) -> Iterator[str]:
    """Only what starts jobs knows the engine's address and the jobs' secrets."""
    for name, service in services(document).items():
        knows = [
            key for key in service.get("environment", {}) if key.startswith(("PSGPO_JOB_ENV", "DOCKER_HOST"))
        ]
        if knows and name not in ("airflow-scheduler", "airflow-worker"):
            yield f"{name} knows {knows[0]}"


def literal_secrets(document: Document) -> Iterator[str]:
    for name, service in services(document).items():
        for key, value in service.get("environment", {}).items():
            secret = re.search(r"PASSWORD|SECRET|FERNET|TOKEN", key) and "ACCESS_KEY_ID" not in key
            if secret and not VARIABLE.search(str(value)):
                yield f"{name} has a value for {key} in the file"


RULES: tuple[Callable[[Document], Iterator[str]], ...] = (
    unhealthy,
    unconditional,
    floating,
    reachable,
    privileged,
    unseparated,
    overinformed,
    literal_secrets,
)


def faults(document: Document) -> list[str]:
    return [fault for rule in RULES for fault in rule(document)]
