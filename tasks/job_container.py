"""Run a job as a container: found again by its name after whoever started it died, its limits held by the engine.

The engine keeps everything there is to know about a job (name, labels, logs, exit code), so that nothing is lost with the
process that watches it. A container holds no rights beyond its own files: no capabilities, a read-only system, one
scratch volume that goes with it, and the networks of the store, MLflow and the sandbox.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING

from tasks.errors import BadInput
from tasks.gpu_leases import release, take
from tasks.job_process import Outcome, last_object
from tasks.job_profile import SPEC_LABEL, DockerSettings, creation, fingerprint
from tasks.jobs import ContainerCall

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

ACTIVE = ("created", "running", "restarting", "paused")
_LOOK_SECONDS = 1.0
_PATIENCE_SECONDS = 120.0  # how long an engine may be away while a job runs
_GRACE_SECONDS = 30
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


class EngineUnreachable(RuntimeError):
    """The container engine does not answer, or refuses; one line, and the same call may succeed later."""


class JobContainer:
    """One job on one engine (`DOCKER_HOST`). Errors: BadInput for a wrong image, EngineUnreachable for the rest."""

    def __init__(self, call: ContainerCall, settings: DockerSettings) -> None:
        self._call, self._settings = call, settings
        with _one_line():
            import docker

            self._client: DockerClient = docker.from_env(timeout=60)
        self._reason = ""

    def submit(self) -> str:
        """Start the job, or find it: one that runs, or has succeeded, with the same command. Its container's id."""
        with _one_line():
            image = self._image_id()
            found = self._find(self._call.name)
            if found is not None and self._is_same(found, image) and _goes_on(found):
                self._start(found)
                return str(found.id)
            if found is not None:
                self._remove(found)
            devices = take(self._client, self._settings, self._call, image)
            container = self._client.containers.create(**creation(self._call, self._settings, image, devices))
            self._start(container)
            return str(container.id)

    def status(self, container_id: str) -> str:
        """The engine's word for it (`running`), `exited 0` with its exit code, or `missing`."""
        with _one_line():
            container = self._find(container_id)
            if container is None:
                return "missing"
            state = container.attrs["State"]
            return f"exited {state['ExitCode']}" if state["Status"] in ("exited", "dead") else state["Status"]

    def follow(self, container_id: str, on_line: Callable[[str, str], None], since: str = "") -> Outcome:
        """Watch to the end. Lines on stderr go to `on_line(line, time)`, those up to the time `since` left out.

        The container is removed when its outcome is known. An engine that is away for a while is waited for.
        """
        away_since = 0.0
        while True:
            try:
                with _one_line():
                    container = self._client.containers.get(container_id)
                    ended = container.attrs["State"]["Status"] not in ACTIVE
                    for at, line in _lines(container, since):
                        since = at
                        on_line(line, at)
                    if ended:
                        return self._conclude(container)
                    self._hold_to_time(container)
                away_since = 0.0
            except EngineUnreachable:
                away_since = away_since or time.monotonic()
                if time.monotonic() - away_since > _PATIENCE_SECONDS:
                    raise
            time.sleep(_LOOK_SECONDS)

    def stop(self, reason: str) -> None:
        """Ask the job to end (it saves a checkpoint), kill it when it has not after the grace period."""
        self._reason = reason
        with suppress(EngineUnreachable), _one_line():
            container = self._find(self._call.name)
            if container is not None:
                container.stop(timeout=_GRACE_SECONDS)

    def outcome(self, container_id: str) -> Outcome:
        """Of a container that has ended; it is removed."""
        with _one_line():
            return self._conclude(self._client.containers.get(container_id))

    def _image_id(self) -> str:
        """The digest that the image's name stands for now: what runs is what was looked at."""
        from docker.errors import ImageNotFound

        try:
            return str(self._client.images.get(self._settings.image).id)
        except ImageNotFound:
            allowed = "an image that `docker image ls` shows there: docker compose build"
            raise BadInput(
                "PSGPO_JOB_IMAGE", f"the engine has no image {self._settings.image!r}", allowed
            ) from None

    def _find(self, name: str) -> Container | None:
        from docker.errors import NotFound

        try:
            return self._client.containers.get(name)
        except NotFound:
            return None

    def _is_same(self, container: Container, image: str) -> bool:
        labels = container.labels or {}
        return labels.get(SPEC_LABEL) == fingerprint(self._call, image)

    def _start(self, container: Container) -> None:
        """Twice does no harm: a creator that died may have left it unconnected or not started."""
        if container.status != "created":
            return
        container.reload()
        attached = container.attrs["NetworkSettings"]["Networks"]
        for network in self._settings.networks:
            if network not in attached:
                self._client.api.connect_container_to_network(
                    container.id, network
                )  # by name: the broker knows no ids
        container.start()

    def _hold_to_time(self, container: Container) -> None:
        started = _seconds(container.attrs["State"]["StartedAt"])
        if started and not self._reason and time.time() - started > self._call.timeout_seconds:
            self.stop(f"timeout: not done after {self._call.timeout_seconds:.0f} s")

    def _conclude(self, container: Container) -> Outcome:
        state = container.attrs["State"]
        reason, code = self._reason, int(state["ExitCode"])
        if state.get("OOMKilled") and code:
            reason = f"memory: more than its limit of {self._call.memory_mb} MB was needed"
        elif state.get("Error"):
            reason = f"the engine could not start it: {state['Error']}"
        outcome = Outcome(code, reason, last_object(container.logs(stdout=True, stderr=False, tail=5)))
        self._remove(container)
        return outcome

    def _remove(self, container: Container) -> None:
        from docker.errors import NotFound

        with suppress(NotFound):
            container.remove(force=True, v=True)
        release(self._client, self._settings, self._call.name)


def _goes_on(container: Container) -> bool:
    state = container.attrs["State"]
    return state["Status"] in ACTIVE or (state["Status"] == "exited" and state["ExitCode"] == 0)


def _lines(container: Container, since: str) -> Iterator[tuple[str, str]]:
    """Lines of stderr after the time `since` (as the engine writes it), each with its time."""
    start = {"since": int(_seconds(since))} if since else {}
    text = container.logs(stdout=False, stderr=True, timestamps=True, **start)
    # not splitlines: a progress bar's carriage returns are within a line, and only a line begins with its time
    for row in text.decode(errors="replace").split("\n"):
        at, _, line = row.partition(" ")
        if _STAMP.match(at) and at > since and line.strip():
            yield at, line.rsplit("\r", 1)[-1].rstrip()


def _seconds(stamp: str) -> float:
    """Epoch seconds of an engine's time (nanoseconds, `Z`); 0 for its word for never."""
    if not stamp or stamp.startswith("0001-"):
        return 0.0
    return datetime.fromisoformat(stamp[:19] + "+00:00").timestamp()


@contextmanager
def _one_line() -> Iterator[None]:
    """The engine's and the client's errors as one line without addresses of objects or tracebacks below it."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    where = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    try:
        yield
    except APIError as error:
        said = str(error.explanation or error).strip().splitlines()
        raise EngineUnreachable(
            f"the container engine at {where} refuses: {said[0] if said else error}"
        ) from None
    except (DockerException, RequestException, OSError) as error:
        raise EngineUnreachable(
            f"the container engine at {where} cannot be reached ({type(error).__name__})"
        ) from None
