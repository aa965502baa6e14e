"""What generated code (a of docs/security.md) cannot do: the sandbox's service as the compose file runs it, on an engine.

Twice: as a program that was sent to the service, and as who has broken out of landlock and the filter and is one of the
service's own processes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest
import yaml

from tasks.job_profile import DEPLOYMENT_LABEL, DockerSettings
from tasks.sandbox import Program, Sandbox
from tests.integration.docker.conftest import SMALL_IMAGE
from tests.integration.docker.test_isolation import ATTEMPT
from tests.sandbox.conftest import FORMS, QUICK, read_programs

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

    from tests.integration.docker.conftest import Runs

ROOT = Path(__file__).resolve().parents[3]
PORT = 8900
START_SECONDS = 60.0
ATTACKS = read_programs("attacks")

DOUBLE = """
def double(n):
    return 2 * n
"""


def as_composed() -> dict[str, Any]:
    """The service's rights and limits out of docker-compose.yml, as arguments of the SDK."""
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["sandbox"]
    path, _, options = service["tmpfs"][0].partition(":")
    return {
        "cap_drop": service["cap_drop"],
        "security_opt": service["security_opt"],
        "read_only": service["read_only"],
        "init": service["init"],
        "pids_limit": service["pids_limit"],
        "tmpfs": {path: options},
        "environment": service.get("environment", {}),
        "mem_limit": "1g",
        "memswap_limit": "1g",
    }


@pytest.fixture
def neighbour(engine: DockerClient, settings: DockerSettings) -> str:
    """Address of what listens on port 8000 in the network of the store, where the sandbox is not."""
    container = engine.containers.run(
        SMALL_IMAGE,
        ["python3", "-m", "http.server", "8000"],
        network=settings.networks[0],
        working_dir="/tmp",
        labels={DEPLOYMENT_LABEL: settings.deployment},
        detach=True,
    )
    return address_of(container)


@pytest.fixture
def service(engine: DockerClient, settings: DockerSettings, neighbour: str) -> Container:
    container = engine.containers.run(
        settings.image,
        network=settings.networks[1],
        labels={DEPLOYMENT_LABEL: settings.deployment},
        detach=True,
        **as_composed(),
    )
    wait_for(f"http://{address_of(container)}:{PORT}/health")
    wait_for(f"http://{neighbour}:8000")
    return container


@pytest.fixture
def sandbox(service: Container) -> Iterator[Sandbox]:
    with Sandbox.open(address=f"http://{address_of(service)}:{PORT}", limits=QUICK) as opened:
        yield opened


def address_of(container: Container) -> str:
    container.reload()
    (network,) = container.attrs["NetworkSettings"]["Networks"].values()
    return str(network["IPAddress"])


def wait_for(address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urlopen(address, timeout=5).close()
            return
        except OSError:
            assert time.monotonic() < deadline, address
            time.sleep(0.2)


def passes(sandbox: Sandbox, first: str) -> bool:
    """Whether a program doubles numbers after this; it ends there when it is not let."""
    return next(sandbox.run([Program(first + DOUBLE, FORMS["calls"])])).passed


def connecting(host: str, port: int) -> str:
    return f"import socket\nsocket.create_connection(({host!r}, {port}), timeout=2).close()"


def test_a_program_reaches_no_network_not_even_its_own_service(sandbox: Sandbox, neighbour: str) -> None:
    assert passes(sandbox, "pass")
    for host, port in (("1.1.1.1", 53), (neighbour, 8000), ("127.0.0.1", PORT)):
        assert not passes(sandbox, connecting(host, port)), host


def test_a_program_writes_in_its_own_folder_which_is_empty_for_the_next(sandbox: Sandbox) -> None:
    write = "import os\nassert not os.path.exists('mine')\nopen('mine', 'w').write('x')"
    assert all(passes(sandbox, write) for _ in range(6))  # more than there are workers
    for path in ("/tmp/left", "/app/left", "/dev/shm/left"):
        assert not passes(sandbox, f"open({path!r}, 'w').write('x')"), path


CROWD = """
import os, sys, time
for _ in range(400):
    if os.fork() == 0:
        time.sleep(600)
print("there", file=sys.stderr, flush=True)
time.sleep(600)
"""


def test_processes_of_jobs_are_not_counted_as_a_program_s(
    sandbox: Sandbox, job: Runs, engine: DockerClient
) -> None:
    """The kernel counts a user's processes across containers."""
    crowd = engine.containers.get(job(CROWD, memory_mb=2048).submit())
    deadline = time.monotonic() + START_SECONDS
    while b"there" not in crowd.logs(stdout=False):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert passes(sandbox, "pass")


@pytest.mark.slow
def test_no_attack_passes(sandbox: Sandbox) -> None:
    """Those of tests/sandbox, in the container that a deployment has."""
    found = zip(
        ATTACKS, sandbox.run([Program(text, FORMS["calls"]) for text in ATTACKS.values()]), strict=True
    )
    wrong = {name: one for name, one in found if one.passed or one.status == "no_verdict"}
    assert wrong == {}
    assert passes(sandbox, "pass")  # and it serves on


def inside(service: Container, code: str) -> dict[str, list[Any]]:
    """`code`, which fills a dict `found`, as a process of the service's own."""
    text = f"{ATTEMPT}\nfound = {{}}\n{code}\nprint(json.dumps(found))"
    done = service.exec_run(["python3", "-c", text])
    assert done.exit_code == 0, done.output.decode()
    return json.loads(done.output)


def test_who_breaks_out_reaches_neither_the_internet_nor_host_engine_or_store(
    service: Container, neighbour: str, engine: DockerClient, settings: DockerSettings
) -> None:
    published = engine.containers.run(
        SMALL_IMAGE,
        ["python3", "-m", "http.server", "8000"],
        working_dir="/tmp",
        labels={DEPLOYMENT_LABEL: settings.deployment},
        ports={"8000/tcp": ("127.0.0.1", None)},
        detach=True,
    )
    published.reload()
    port = int(published.attrs["NetworkSettings"]["Ports"]["8000/tcp"][0]["HostPort"])
    gateway = engine.networks.get(settings.networks[1]).attrs["IPAM"]["Config"][0]["Gateway"]
    found = inside(
        service,
        f"""
found["itself"] = attempt(lambda: connect("127.0.0.1", {PORT}))
found["internet"] = attempt(lambda: connect("1.1.1.1", 53))
found["names"] = attempt(lambda: connect("deb.debian.org", 80))
found["metadata"] = attempt(lambda: connect("169.254.169.254", 80))
found["store"] = attempt(lambda: connect({neighbour!r}, 8000))
found["published"] = attempt(lambda: connect({gateway!r}, {port}))
found["socket"] = attempt(lambda: socket.socket(socket.AF_UNIX).connect("/var/run/docker.sock"))
found["broker"] = attempt(lambda: connect("broker", 2375))
""",
    )
    assert found.pop("itself")[0]
    assert [way for way, (reached, _) in found.items() if reached] == []


def test_who_breaks_out_is_nobody_finds_no_secret_and_changes_nothing(service: Container) -> None:
    found = inside(
        service,
        """
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
found["status"] = {name: status[name].strip() for name in ("Uid", "CapEff", "CapPrm", "CapBnd", "NoNewPrivs", "Seccomp")}
found["names"] = sorted(os.environ)
found["app"] = attempt(lambda: open("/app/tasks/__init__.py", "a"))
found["etc"] = attempt(lambda: open("/etc/passwd", "a"))
found["mount"] = attempt(lambda: subprocess.run(["mount", "-t", "tmpfs", "x", "/tmp"], check=True, capture_output=True))
found["unshare"] = attempt(lambda: subprocess.run(["unshare", "-Ur", "true"], check=True, capture_output=True))
found["scratch"] = attempt(lambda: open("/tmp/file", "w").write("x"))
""",
    )
    status: Any = found.pop("status")
    assert status["Uid"].split()[0] == "65531"
    assert {status[name] for name in ("CapEff", "CapPrm", "CapBnd")} == {"0" * 16}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert found.pop("scratch")[0]
    names: Any = found.pop("names")
    assert "PYTHONPATH" in names
    assert [
        name for name in names if any(part in name for part in ("SECRET", "KEY", "PASSWORD", "AWS"))
    ] == []
    assert [way for way, (reached, _) in found.items() if reached] == []
