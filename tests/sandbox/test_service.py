"""The sandbox as a service, on a unix socket and on TCP: the same verdicts as embedded."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.errors import EXIT_BAD_INPUT, BadInput
from tasks.sandbox import Limits, Program, Sandbox
from tests.sandbox.conftest import FORMS, SCRIPT_TAIL

ROOT = Path(__file__).resolve().parents[2]
HONEST = "def double(n):\n    return 2 * n\n"
LIMITS = Limits(cpu_seconds=1, wall_seconds=10, memory_mb=256)


def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """A running service and the line it prints when it is ready."""
    command = [sys.executable, "-m", "tasks.sandbox", "serve", "--workers", "2", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    return process, process.stdout.readline()


@pytest.fixture(scope="module", params=["unix", "tcp"])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "unix":
        path = tmp_path_factory.mktemp("service") / "sandbox.sock"
        process, _ = start("--socket", str(path))
        found = f"unix:{path}"
    else:
        process, line = start("--port", "0")
        found = f"http://127.0.0.1:{re.search(r':([0-9]+),', line)[1]}"  # type: ignore[index]
    yield found
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_verdicts_are_those_of_an_embedded_sandbox(address: str, sandbox: Sandbox) -> None:
    sources = [HONEST, HONEST.replace("2", "3"), "syntax error", "def double(n):\n    return 1 / 0\n"]
    programs = [
        Program(source + SCRIPT_TAIL if form == "script" else source, tests, LIMITS)
        for source in sources
        for form, tests in FORMS.items()
    ]
    with Sandbox.open(address=address) as remote:
        assert (remote.isolation, remote.workers) == ("namespaces", 2)
        there = [(v.status, v.tests_passed, v.detail) for v in remote.run(programs)]
    here = [(v.status, v.tests_passed, v.detail) for v in sandbox.run(programs)]
    assert there == here
    assert {status for status, *_ in there} == {"passed", "failed", "error"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"code": 1, "tests": "", "limits": []}',
        b'{"code": "", "tests": "{}", "limits": []}',
        *(
            b'{"code": "", "tests": "{\\"form\\": \\"stdio\\", \\"cases\\": []}", "limits": %s}' % limits
            for limits in (b"[-1]", b"[Infinity]", b"[NaN]", b"[1, 1, 0.5]", b"[true]", b"[1, 1e9]", b'["1"]')
        ),
    ],
)
def test_malformed_requests_are_refused(address: str, body: bytes) -> None:
    from tasks.sandbox.remote import connect

    connection = connect(address)
    connection.request("POST", "/verdict", body)
    response = connection.getresponse()
    assert response.status == http.HTTPStatus.BAD_REQUEST
    assert "error" in json.loads(response.read())
    connection.close()


def test_no_service_is_bad_input(tmp_path: Path) -> None:
    for address in (f"unix:{tmp_path}/none", "http://127.0.0.1:1", "ftp://x", "nonsense"):
        with pytest.raises(BadInput, match=r"sandbox\.address"):
            Sandbox.open(address=address)


def test_a_service_that_dies_gives_no_verdict_and_no_wrong_one(tmp_path: Path) -> None:
    process, _ = start("--socket", str(tmp_path / "s"))
    with Sandbox.open(address=f"unix:{tmp_path}/s", limits=LIMITS) as remote:
        assert next(remote.run([Program(HONEST, FORMS["calls"])])).passed
        process.kill()
        process.wait()
        verdicts = list(remote.run([Program(HONEST, FORMS["calls"])] * 3))
    assert {verdict.status for verdict in verdicts} == {"no_verdict"}


def test_a_connection_that_breaks_once_costs_one_program_one_try(address: str) -> None:
    """While others wait: the one that is tried again keeps its new connection to itself."""
    slow = "import time\ntime.sleep(0.02)\n" + HONEST
    with Sandbox.open(address=address, limits=LIMITS) as remote:
        under_way = [remote.submit(Program(slow, FORMS["calls"])) for _ in range(60)]
        for number in (5, 20, 35):
            under_way[number].result()
            remote._feeders[0]._worker.interrupt()
        verdicts = [pending.result() for pending in under_way]
    assert {(verdict.status, verdict.detail) for verdict in verdicts} == {("passed", "")}


def test_two_services_do_not_share_a_socket(tmp_path: Path) -> None:
    process, _ = start("--socket", str(tmp_path / "s"))
    second, _ = start("--socket", str(tmp_path / "s"))
    assert second.wait(30) == EXIT_BAD_INPUT
    process.kill()
    process.wait()
    third, line = start("--socket", str(tmp_path / "s"))  # the stale file is no obstacle
    assert "sandbox service" in line
    third.terminate()
    assert third.wait(30) == 0
