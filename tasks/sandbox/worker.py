"""One worker: reads jobs from the client, examines them one after another, writes verdicts.

Started by `start_worker.py` in a small interpreter of its own, never forked from the caller. It forks the fork server
before it has seen a job, then becomes the examiner.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import select
import signal
import socket
from functools import lru_cache
from typing import Any

from tasks.sandbox import budget, frames, zygote
from tasks.sandbox.candidate import ServerDied
from tasks.sandbox.examiner import Job, Worker, examine, start
from tasks.sandbox.isolation import make_isolation
from tasks.sandbox.program import Limits, Tests
from tasks.sandbox.refused import Refused
from tasks.sandbox.tests_json import tests_from_json
from tasks.sandbox.warm_up import warm_up

_EXAMINER_MEMORY = 1 << 30  # bytes of address space: what a candidate returns must not exhaust the machine
_MEMORY_PER_BYTE = 32  # of tests that are longer than usual
_USUAL_TESTS = 1 << 20  # bytes
_LONGEST_CACHED_TESTS = 1 << 16  # characters


def main(client: socket.socket) -> None:
    """Serve `client` until it closes. Its first message says which isolation and which scratch folder."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller's Ctrl-C: it closes its end
    order = frames.receive_json(client)
    if order is None:
        return
    with contextlib.suppress(OSError):  # a core that has been taken away meanwhile
        os.sched_setaffinity(0, {order["core"]})
    warm_up()
    try:
        server, pid = _start_server(client, order)
    except Refused as error:
        frames.send_json(client, {"missing": error.missing, "remedy": error.remedy})
        return
    budget.prepare()
    gc.freeze()
    frames.send_json(client, {"ready": True})
    _serve(client, Worker(server, client.fileno()))
    server.close()
    os.waitpid(pid, 0)  # so that the caller is told the CPU time of all programs


def _start_server(client: socket.socket, order: dict[str, Any]) -> tuple[socket.socket, int]:
    """Enter the isolation and fork the fork server; our end of its socket, and its process id. Raises Refused."""
    isolation = make_isolation(order["isolation"], order["scratch"])
    isolation.enter()
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        client.close()
        ours.close()
        try:
            isolation.settle_server()
            theirs.sendall(b"ok")
        except Refused as error:
            theirs.sendall(f"{error.missing}\n{error.remedy}".encode())
            os._exit(1)
        zygote.serve(theirs, isolation)
    theirs.close()
    isolation.settle_examiner()
    said = ours.recv(4096).decode()
    if said != "ok":
        missing, _, remedy = said.partition("\n")
        raise Refused(missing or "the fork server did not start", remedy)
    return ours, pid


def _serve(client: socket.socket, worker: Worker) -> None:
    waiting = select.poll()
    waiting.register(client, select.POLLIN)
    ahead: list[Job | None] = []

    def start_next() -> None:
        if waiting.poll(0):
            ahead.append(_next_job(client, worker))

    try:
        while worker.clean:
            job = ahead.pop() if ahead else _next_job(client, worker)
            if job is None:
                return
            verdict = examine(worker, job, start_next)
            frames.send_json(client, {"verdict": list(vars(verdict).values()), "last": not worker.clean})
    except ServerDied:
        return


def _next_job(client: socket.socket, worker: Worker) -> Job | None:
    """The next program of the client's, started; None when there will be no more."""
    message, text = frames.receive_json(client), frames.receive(client)
    if message is None or text is None:
        return None
    _limit_memory(len(text))
    return start(worker, message["code"], _read_tests(text), Limits(*message["limits"]))


@lru_cache(maxsize=1)
def _memory_limit(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))


def _limit_memory(tests: int) -> None:
    """Room for `tests` bytes of tests and for what a candidate may return."""
    _memory_limit(_EXAMINER_MEMORY + (_MEMORY_PER_BYTE * tests if tests > _USUAL_TESTS else 0))


def _read_tests(text: bytes) -> Tests:
    return _read_again(text) if len(text) <= _LONGEST_CACHED_TESTS else tests_from_json(text.decode())


@lru_cache(maxsize=256)
def _read_again(text: bytes) -> Tests:
    """The same problem is usually asked for many times in a row."""
    return tests_from_json(text.decode())
