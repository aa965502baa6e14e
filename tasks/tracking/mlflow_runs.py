"""The tracker that speaks to MLflow: everything goes to a spool on disk first, and from there to the server.

A server that is down or slow never stops a stage: what it has not taken waits in the spool and is delivered by a later
call, by the end of the run, or by the next stage on this machine. A server that refuses at the start (wrong address,
no permission) is bad input: better to know before anything is spent.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.errors import BadInput, TryAgain
from tasks.tracking.delivery import Delivery
from tasks.tracking.server import URI_VARIABLE, MlflowServer, Refused, ServerDown
from tasks.tracking.spool import RunIdentity, Spool

EXPERIMENT_VARIABLE = "MLFLOW_EXPERIMENT_NAME"
EXPERIMENT = "psgpo"
DELIVER_EVERY = 3.0
"""Seconds between deliveries while a stage runs."""
LONGEST_PAUSE = 60.0
"""Seconds: after a failed delivery the pause doubles up to this."""
PATIENCE = 15.0
"""Seconds that a finished stage waits for a server that is down before it leaves the rest to a later one."""

_NAME = re.compile(r"[A-Za-z0-9_\-. :/]+")


@contextmanager
def open_run(
    stage: str, digest: str, label: str, parameters: Mapping[str, Any], parent: str, cache: Path
) -> Iterator[MlflowRun]:
    """The run of one stage execution; ends FINISHED, FAILED, or KILLED (try again).

    Raises BadInput when the server refuses the run.
    """
    server = MlflowServer(os.environ[URI_VARIABLE])
    experiment = os.environ.get(EXPERIMENT_VARIABLE) or EXPERIMENT
    identity = RunIdentity(server.uri, experiment, stage, digest, label, parent, parameters)
    root = cache / "tracking" / hashlib.sha256(server.uri.encode()).hexdigest()[:16]
    run = MlflowRun(server, identity, root)
    try:
        yield run
    except TryAgain:
        run.end("KILLED")
        raise
    except BadInput as refusal:
        run.end("FAILED", str(refusal))
        raise
    except BaseException as crash:
        run.end("FAILED", type(crash).__name__)
        raise
    run.end("FINISHED")


class MlflowRun:
    """A `tasks.tracking.runs.Tracker`."""

    def __init__(self, server: MlflowServer, identity: RunIdentity, root: Path) -> None:
        self._delivery = Delivery(server, identity)
        self._pause, self._next, self._troubled = DELIVER_EVERY, 0.0, False
        try:
            deliver_left_behind(server, root)
            self._delivery.connect()
            self._delivery.reopen()
        except Refused as refused:
            raise BadInput(URI_VARIABLE, f"{server.uri}: {refused}") from None
        except ServerDown as down:
            self._postpone(down)
        self._spool = Spool.create(root, identity)

    @property
    def run_id(self) -> str:
        """Empty as long as the server has not answered."""
        return self._delivery.run_id

    def log(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log values at a step. A step that the server has is not logged again; only finite values are kept."""
        for name in metrics:
            if not _NAME.fullmatch(name):
                raise ValueError(f"metric name {name!r}: MLflow takes {_NAME.pattern}")
        finite = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
        if finite:
            self._spool.add_point(step, finite)
        if time.monotonic() >= self._next:
            self._deliver()

    def tag(self, tags: Mapping[str, str]) -> None:
        self._spool.add_tags(tags)

    def file(self, path: Path, folder: str = "") -> None:
        """Attach a file, now if the server is well: pictures and pages are wanted when a stage then fails."""
        self._spool.add_file(path, folder)
        if time.monotonic() >= self._next or not self._troubled:
            self._deliver()

    def end(self, status: str, reason: str = "") -> None:
        """Deliver the rest; what a dead server does not take within `PATIENCE` seconds waits for a later stage."""
        if reason:
            self._spool.add_tags({"mlflow.note.content": reason})
        self._spool.end(status)
        give_up = time.monotonic() + PATIENCE
        pause = 0.5
        while not self._deliver() and time.monotonic() + pause < give_up:
            time.sleep(pause)
            pause *= 2
        if self._troubled:
            print(f"tracking: undelivered entries wait in {self._spool.folder}", file=sys.stderr)
            self._spool.leave()
        else:
            self._spool.remove()

    def _deliver(self) -> bool:
        try:
            self._delivery.deliver(self._spool)
        except (ServerDown, Refused) as trouble:
            self._postpone(trouble)
            return False
        self._pause, self._troubled = DELIVER_EVERY, False
        self._next = time.monotonic() + self._pause
        return True

    def _postpone(self, trouble: Exception) -> None:
        if not self._troubled:
            print(f"tracking: {trouble}; the run goes on, entries are kept on disk", file=sys.stderr)
        self._pause, self._troubled = min(2 * self._pause, LONGEST_PAUSE), True
        self._next = time.monotonic() + self._pause


def deliver_left_behind(server: MlflowServer, root: Path) -> None:
    """Deliver the spools of processes that are gone. Raises ServerDown.

    A refused spool is dropped, one that cannot be read (damaged, or written by another revision) is set aside; both with
    a message.
    """
    for spool in Spool.left_behind(root):
        try:
            Delivery(server, spool.identity()).deliver(spool)
        except Refused as refused:
            print(f"tracking: entries in {spool.folder} are dropped: {refused}", file=sys.stderr)
        except (ValueError, TypeError) as unread:
            print(f"tracking: {spool.set_aside()} cannot be read and is kept: {unread}", file=sys.stderr)
            continue
        spool.remove()
