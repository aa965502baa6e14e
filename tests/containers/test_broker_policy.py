"""The broker lets through what the runner asks for, and none of the ways from there to root on the host."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from broker.policy import (
    Policy,
    Refused,
    check_connection,
    check_creation,
    check_owner,
    container_of,
    without_secrets,
)
from docker.models.containers import _create_container_args
from docker.types import ContainerConfig

from tasks.job_profile import DockerSettings, creation, lease_creation
from tasks.jobs import ContainerCall

IMAGE = "sha256:" + "ab" * 32
POLICY = Policy(
    "psgpo", frozenset({IMAGE}), frozenset({"psgpo_jobs", "psgpo_programs"}), frozenset({"0", "1"})
)
SETTINGS = DockerSettings("psgpo/trainer:1", ("psgpo_jobs", "psgpo_programs"), "psgpo", ("0", "1"))
CALL = ContainerCall("psgpo-x", ("python", "-m", "tasks"), {"A": "b"}, 100, 5.0, gpus=1, cpus=1, shm_mb=64)
Body = dict[str, Any]


def sent(arguments: dict[str, Any]) -> Body:
    """The body that the SDK sends for these arguments of `containers.create`."""
    low = _create_container_args({**arguments, "version": "1.41"})
    low.pop("name", None)
    return dict(ContainerConfig("1.41", **low))


@pytest.fixture
def body() -> Body:
    return sent(creation(CALL, SETTINGS, IMAGE, ("0",)))


def test_what_the_runner_sends_is_passed_on(body: Body) -> None:
    check_creation(body, POLICY)
    check_creation(sent(creation(CALL, SETTINGS, IMAGE, ())), POLICY)
    check_creation(sent(lease_creation("psgpo-gpu-0", "psgpo-x", SETTINGS, IMAGE)), POLICY)


def host(**fields: Any) -> Callable[[Body], None]:
    return lambda body: body["HostConfig"].update(fields)


def top(**fields: Any) -> Callable[[Body], None]:
    return lambda body: body.update(fields)


ESCAPES: dict[str, Callable[[Body], Any]] = {
    "privileged": host(Privileged=True),
    "host folder": host(Binds=["/:/host"]),
    "host folder as a mount": host(Mounts=[{"Type": "bind", "Source": "/", "Target": "/tmp"}]),
    "somebody's volume": host(Mounts=[{"Type": "volume", "Source": "psgpo_store-data", "Target": "/tmp"}]),
    "volume with options": host(
        Mounts=[
            {
                "Type": "volume",
                "Target": "/tmp",
                "VolumeOptions": {"DriverConfig": {"Options": {"o": "bind"}}},
            }
        ]
    ),
    "volumes of another container": host(VolumesFrom=["psgpo-postgres-1"]),
    "capabilities": host(CapAdd=["SYS_ADMIN"]),
    "capabilities kept": host(CapDrop=[]),
    "capabilities not mentioned": lambda body: body["HostConfig"].pop("CapDrop"),
    "host network": host(NetworkMode="host"),
    "another container's network": host(NetworkMode="container:psgpo-postgres-1"),
    "network with a way out": host(NetworkMode="bridge"),
    "no network given": lambda body: body["HostConfig"].pop("NetworkMode"),
    "second network": top(NetworkingConfig={"EndpointsConfig": {"psgpo_database": {}}}),
    "the store's name": top(NetworkingConfig={"EndpointsConfig": {"psgpo_jobs": {"Aliases": ["store"]}}}),
    "host processes": host(PidMode="host"),
    "host ipc": host(IpcMode="host"),
    "host users": host(UsernsMode="host"),
    "host uts": host(UTSMode="host"),
    "host cgroup": host(CgroupnsMode="host"),
    "cgroup parent": host(CgroupParent="/"),
    "devices": host(Devices=[{"PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda"}]),
    "device rules": host(DeviceCgroupRules=["a *:* rwm"]),
    "a GPU that is not for jobs": host(
        DeviceRequests=[{"Driver": "nvidia", "DeviceIDs": ["7"], "Capabilities": [["gpu"]]}]
    ),
    "all GPUs": host(DeviceRequests=[{"Driver": "nvidia", "Count": -1, "Capabilities": [["gpu"]]}]),
    "seccomp off": host(SecurityOpt=["no-new-privileges:true", "seccomp=unconfined"]),
    "apparmor off": host(SecurityOpt=["apparmor=unconfined"]),
    "unmasked proc": host(MaskedPaths=[], ReadonlyPaths=["/x"]),
    "kernel settings": host(Sysctls={"net.ipv4.ip_forward": "1"}),
    "another runtime": host(Runtime="crun"),
    "published port": host(PortBindings={"22/tcp": [{"HostPort": "22"}]}),
    "restarts": host(RestartPolicy={"Name": "always"}),
    "writable system": host(ReadonlyRootfs=False),
    "more swap": host(MemorySwap=-1),
    "no memory limit": host(Memory=0),
    "no process limit": host(PidsLimit=-1),
    "log to a foreign host": host(LogConfig={"Type": "syslog", "Config": {"syslog-address": "tcp://evil:1"}}),
    "extra hosts": host(ExtraHosts=["store:10.0.0.1"]),
    "links": host(Links=["postgres"]),
    "root": top(User="0:0"),
    "no user": lambda body: body.pop("User"),
    "another image": top(Image="docker:dind"),
    "an image by name": top(Image="psgpo/trainer:1"),
    "no labels": lambda body: body.pop("Labels"),
    "labels of another deployment": top(Labels={"psgpo.job": "x", "psgpo.deployment": "other"}),
    "labels of compose": top(
        Labels={"psgpo.job": "x", "psgpo.deployment": "psgpo", "com.docker.compose.project": "psgpo"}
    ),
    "entrypoint": top(Entrypoint=["/bin/sh"]),
    "on build": top(OnBuild=["RUN x"]),
    "a field from the future": host(RootShell=True),
    "small letters": top(hostconfig={"Privileged": True}),
    "no host configuration": lambda body: body.pop("HostConfig"),
}


@pytest.mark.parametrize("escape", ESCAPES)
def test_a_way_out_is_refused(body: Body, escape: str) -> None:
    before = copy.deepcopy(body)
    ESCAPES[escape](body)
    assert body != before
    with pytest.raises(Refused):
        check_creation(body, POLICY)


@pytest.mark.parametrize("body", [None, [], "text", {}, {"HostConfig": None}])
def test_what_is_no_request_is_refused(body: Any) -> None:
    with pytest.raises(Refused):
        check_creation(body, POLICY)


@pytest.mark.parametrize(
    ("method", "path", "container"),
    [
        ("GET", "/containers/abc/json", "abc"),
        ("GET", "/containers/abc/logs", "abc"),
        ("POST", "/containers/abc/start", "abc"),
        ("POST", "/containers/abc/stop", "abc"),
        ("DELETE", "/containers/abc", "abc"),
        ("GET", "/containers/json", None),
        ("POST", "/containers/create", None),
        ("POST", "/containers/prune", None),
        ("GET", "/containers/../images/json", None),
    ],
)
def test_the_container_of_a_request(method: str, path: str, container: str | None) -> None:
    assert container_of(method, path) == container


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(
            ("POST", f"/containers/abc/{what}")
            for what in ("exec", "attach", "update", "rename", "copy", "resize")
        ),
        *(("GET", f"/containers/abc/{what}") for what in ("export", "archive", "top", "changes", "stats")),
        ("HEAD", "/containers/abc/archive"),
        ("POST", "/containers/abc/json"),
    ],
)
def test_other_requests_about_a_container_are_refused(method: str, path: str) -> None:
    with pytest.raises(Refused):
        container_of(method, path)


def test_only_jobs_of_this_deployment_are_ours() -> None:
    check_owner({"psgpo.job": "x", "psgpo.deployment": "psgpo"}, POLICY)
    for labels in (None, {}, {"psgpo.job": "x", "psgpo.deployment": "other"}, {"psgpo.deployment": "psgpo"}):
        with pytest.raises(Refused):
            check_owner(labels, POLICY)


def test_connections() -> None:
    assert check_connection({"Container": "abc", "EndpointConfig": {}}, "psgpo_programs", POLICY) == "abc"
    for body, network in (
        ({"Container": "abc"}, "psgpo_database"),
        ({"Container": "abc", "EndpointConfig": {"IPAMConfig": {"IPv4Address": "10.0.0.2"}}}, "psgpo_jobs"),
        ({"Container": "abc", "Force": True}, "psgpo_jobs"),
        (None, "psgpo_jobs"),
    ):
        with pytest.raises(Refused):
            check_connection(body, network, POLICY)


def test_a_job_s_environment_is_not_told() -> None:
    told = without_secrets({"Id": "1", "Config": {"Env": ["AWS_SECRET_ACCESS_KEY=x"], "Labels": {}}})
    assert told == {"Id": "1", "Config": {"Env": [], "Labels": {}}}
