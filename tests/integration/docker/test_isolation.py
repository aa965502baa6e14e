"""What an attacker inside a trainer container (b of docs/security.md) cannot do. Each claim has its opposite beside it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from tasks.job_profile import DockerSettings

if TYPE_CHECKING:
    from docker import DockerClient

    from tests.integration.docker.conftest import Runs

ATTEMPT = """
import json, os, socket, subprocess, sys, urllib.request
def attempt(what):
    try:
        return [True, repr(what())[:200]]
    except BaseException as error:
        return [False, f"{type(error).__name__}: {error}"[:200]]
def connect(host, port):
    with socket.create_connection((host, port), timeout=3): return "connected"
"""


def tried(job: Runs, code: str, **how: Any) -> dict[str, list[Any]]:
    """`code` fills a dict `found`; it is the job's result line."""
    one = job(f"{ATTEMPT}\nfound = {{}}\n{code}\nprint(json.dumps(found))", **how)
    container = one.submit()
    lines: list[str] = []
    outcome = one.follow(container, lambda line, at: lines.append(line))
    assert outcome.envelope is not None, lines
    return outcome.envelope


OUTSIDE = """
for host, port in (("1.1.1.1", 53), ("8.8.8.8", 443), ("169.254.169.254", 80), ("deb.debian.org", 80)):
    found[host] = attempt(lambda: connect(host, port))
listener = socket.create_server(("127.0.0.1", 0))
found["itself"] = attempt(lambda: connect("127.0.0.1", listener.getsockname()[1]))
"""


def reached(found: dict[str, list[Any]]) -> set[str]:
    return {way for way, (succeeded, _) in found.items() if succeeded}


def test_the_internet_and_the_host_are_out_of_reach(
    job: Runs, engine: DockerClient, settings: DockerSettings
) -> None:
    assert reached(tried(job, OUTSIDE)) == {"itself"}
    code = f"{ATTEMPT}\nfound = {{}}\n{OUTSIDE}\nprint(json.dumps(found))"
    ordinary = engine.containers.run(settings.image, ["python3", "-c", code], remove=True)
    if reached(json.loads(ordinary)) == {"itself"}:
        pytest.skip("no container of this machine reaches the internet, so that it was not a job's profile")


def test_the_services_of_its_networks_are_in_reach_and_others_are_not(
    job: Runs, engine: DockerClient, settings: DockerSettings
) -> None:
    """What listens in another network, and what the host publishes on its loopback interface, is not there."""
    labels = {"psgpo.deployment": settings.deployment, "psgpo.job": "service"}
    serve = ["python3", "-m", "http.server", "8000"]
    common = {
        "image": settings.image,
        "command": serve,
        "labels": labels,
        "detach": True,
        "working_dir": "/tmp",
    }
    elsewhere = engine.networks.create(f"{settings.deployment}_database", internal=True)
    try:
        store = engine.containers.run(
            name=f"{settings.deployment}-store", network=settings.networks[0], **common
        )
        database = engine.containers.run(
            name=f"{settings.deployment}-database", network=elsewhere.name, **common
        )
        published = engine.containers.run(
            name=f"{settings.deployment}-ui", ports={"8000/tcp": ("127.0.0.1", None)}, **common
        )
        for container in (store, database, published):
            container.reload()
        addresses = {
            "store": store.name,
            "database": database.name,
            "database address": next(iter(database.attrs["NetworkSettings"]["Networks"].values()))[
                "IPAddress"
            ],
            "bridge address": next(iter(published.attrs["NetworkSettings"]["Networks"].values()))[
                "IPAddress"
            ],
        }
        port = int(published.attrs["NetworkSettings"]["Ports"]["8000/tcp"][0]["HostPort"])
        gateway = engine.networks.get(settings.networks[0]).attrs["IPAM"]["Config"][0]["Gateway"]
        found = tried(
            job,
            f"""
import time
for _ in range(50):
    if attempt(lambda: connect({store.name!r}, 8000))[0]: break
    time.sleep(0.2)
for name, host in {json.dumps(addresses)}.items():
    found[name] = attempt(lambda: connect(host, 8000))
found["published"] = attempt(lambda: connect({gateway!r}, {port}))
""",
        )
        assert {name: reached for name, (reached, _) in found.items()} == {
            "store": True,
            "database": False,
            "database address": False,
            "bridge address": False,
            "published": False,
        }
    finally:
        for container in engine.containers.list(all=True, filters={"network": elsewhere.id}):
            container.remove(force=True, v=True)
        elsewhere.remove()


def test_the_engine_is_out_of_reach(job: Runs) -> None:
    found = tried(
        job,
        """
found["socket"] = attempt(lambda: socket.socket(socket.AF_UNIX).connect("/var/run/docker.sock"))
found["listing"] = attempt(lambda: [p for p in os.listdir("/run") if "docker" in p] or 1 / 0)
for port in (2375, 2376):
    found[str(port)] = attempt(lambda: connect("broker", port))
found["variable"] = attempt(lambda: os.environ["DOCKER_HOST"])
""",
    )
    assert [way for way, (reached, _) in found.items() if reached] == []


def test_it_is_nobody_has_no_rights_and_gains_none(job: Runs) -> None:
    found = tried(
        job,
        """
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
found["status"] = {name: status[name].strip() for name in ("Uid", "CapEff", "CapPrm", "CapBnd", "NoNewPrivs", "Seccomp")}
found["mount"] = attempt(lambda: subprocess.run(["mount", "-t", "tmpfs", "x", "/tmp"], check=True, capture_output=True))
found["unshare"] = attempt(lambda: subprocess.run(["unshare", "-Ur", "true"], check=True, capture_output=True))
found["device"] = attempt(lambda: os.mknod("/tmp/sda", 0o660 | 0o060000, os.makedev(8, 0)))
found["chown"] = attempt(lambda: (open("/tmp/mine", "w").close(), os.chown("/tmp/mine", 0, 0)))
found["system"] = attempt(lambda: open("/app/tasks/__init__.py", "a"))
found["etc"] = attempt(lambda: open("/etc/passwd", "a"))
found["kernel"] = attempt(lambda: open("/proc/sysrq-trigger", "w"))
found["scratch"] = attempt(lambda: open("/tmp/file", "w").write("x"))
""",
    )
    status = found.pop("status")
    assert status["Uid"].split()[0] == "65532"  # type: ignore[attr-defined]
    assert {status[name] for name in ("CapEff", "CapPrm", "CapBnd")} == {"0" * 16}  # type: ignore[call-overload]
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")  # type: ignore[call-overload]
    assert found.pop("scratch")[0]
    assert [way for way, (reached, _) in found.items() if reached] == []


def test_one_job_s_files_are_not_another_s(job: Runs) -> None:
    first = job("open('/tmp/secret', 'w').write('mine'); import time; time.sleep(60)", name="first")
    first.submit()
    found = tried(
        job,
        """
found["files"] = [True, [name for name in os.listdir("/tmp")]]
found["processes"] = [True, [p for p in os.listdir("/proc") if p.isdigit()]]
""",
        name="second",
    )
    assert "secret" not in found["files"][1]
    assert len(found["processes"][1]) <= 3  # the first process, Python, and its listing


def test_nothing_of_a_job_is_left_for_the_next(job: Runs) -> None:
    tried(job, "open('/tmp/secret', 'w').write('mine')", name="same")
    assert tried(job, "found['files'] = [True, os.listdir('/tmp')]", name="same")["files"][1] == []


def test_a_flood_of_processes_ends_at_its_limit(job: Runs) -> None:
    found = tried(
        job,
        """
count = 0
try:
    while count < 3000:
        if os.fork() == 0:
            import time; time.sleep(30); os._exit(0)
        count += 1
except OSError as error:
    found["stopped"] = [True, str(error)]
found["count"] = [True, count]
os.system("true")
""",
        memory_mb=1024,
    )
    assert found["count"][1] < 1024


def test_a_job_knows_its_own_secrets_and_no_others(job: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "planted")
    found = tried(job, "found['names'] = [True, sorted(os.environ)]", env={"AWS_SECRET_ACCESS_KEY": "own"})
    names = set(found["names"][1])
    assert "AWS_SECRET_ACCESS_KEY" in names
    assert not [name for name in names if name.startswith(("AIRFLOW", "PSGPO_JOB", "DOCKER"))]
    assert "planted" not in os.popen("docker ps --no-trunc 2>/dev/null").read()
