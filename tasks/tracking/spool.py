"""What a run has logged and the server has not yet taken, kept on disk: a dead server or a killed process loses nothing.

    <folder>/run.json      which run it is (`RunIdentity`)
    <folder>/points.jsonl  {"step", "time" (ms), "metrics": {name: value}}, in the order logged
    <folder>/tags.json     tags to set
    <folder>/files/...     files to attach, in the folder they go to
    <folder>/status        how the run ended; absent while it runs, and when it was killed

One folder per execution, locked while its process lives; a folder that is not locked was left behind by a process that
ended before the server took everything.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_IDENTITY = "run.json"


@dataclass(frozen=True)
class RunIdentity:
    """One MLflow run: a stage digest below one parent (`parent` empty: no parent) on one server."""

    server: str
    experiment: str
    stage: str
    digest: str
    label: str
    parent: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Point:
    """Metric values at a step; `time` in milliseconds since 1970."""

    step: int
    time: int
    metrics: Mapping[str, float]


class Spool:
    """One folder; see the module's docstring. Only the process that holds the lock may use it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = (folder / _IDENTITY).open("r+")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    @classmethod
    def create(cls, root: Path, identity: RunIdentity) -> Spool:
        root.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(dir=root, prefix="new-"))
        (building / _IDENTITY).write_text(json.dumps(asdict(identity)))
        spool = cls(building)  # locked before others can see it
        spool.folder = building.rename(
            root / f"run-{identity.digest[:16]}-{building.name.removeprefix('new-')}"
        )
        return spool

    @classmethod
    def left_behind(cls, root: Path) -> Iterator[Spool]:
        """Spools of processes that are gone, oldest first; each is locked for the caller."""
        for folder in sorted(root.glob("run-*"), key=lambda path: path.stat().st_mtime):
            try:
                spool = cls(folder)
            except (BlockingIOError, FileNotFoundError):
                continue
            if (folder / _IDENTITY).exists():  # else: delivered and removed while we waited for the lock
                yield spool

    @property
    def _points(self) -> Path:
        return self.folder / "points.jsonl"

    @property
    def _tags(self) -> Path:
        return self.folder / "tags.json"

    @property
    def _files(self) -> Path:
        return self.folder / "files"

    @property
    def _status(self) -> Path:
        return self.folder / "status"

    def identity(self) -> RunIdentity:
        return RunIdentity(**json.loads((self.folder / _IDENTITY).read_text()))

    def add_point(self, step: int, metrics: Mapping[str, float]) -> None:
        line = {"step": step, "time": int(time.time() * 1000), "metrics": dict(metrics)}
        with self._points.open("a") as handle:
            handle.write(json.dumps(line) + "\n")

    def add_tags(self, tags: Mapping[str, str]) -> None:
        self._tags.write_text(json.dumps({**self.tags(), **tags}))

    def add_file(self, path: Path, folder: str) -> None:
        target = self._files / folder / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)

    def end(self, status: str) -> None:
        self._status.write_text(json.dumps({"status": status, "time": int(time.time() * 1000)}))

    def points(self) -> list[Point]:
        """Points in the order logged; a line cut short by a kill is left out."""
        if not self._points.exists():
            return []
        lines = self._points.read_text().split("\n")[:-1]
        return [Point(**json.loads(line)) for line in lines]

    def tags(self) -> dict[str, str]:
        return json.loads(self._tags.read_text()) if self._tags.exists() else {}

    def files(self) -> list[tuple[Path, str]]:
        """Files to attach, each with the folder it goes to."""
        found = sorted(path for path in self._files.rglob("*") if path.is_file())
        return [(path, path.parent.relative_to(self._files).as_posix().removeprefix(".")) for path in found]

    def status(self) -> tuple[str, int] | None:
        """How the run ended and when (ms), if it has."""
        if not self._status.exists():
            return None
        ended = json.loads(self._status.read_text())
        return ended["status"], ended["time"]

    def delivered(self) -> None:
        """Everything read so far is with the server."""
        self._points.unlink(missing_ok=True)
        self._tags.unlink(missing_ok=True)
        shutil.rmtree(self._files, ignore_errors=True)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.leave()

    def set_aside(self) -> Path:
        """Where no later stage looks: a person, or the revision that wrote it, may still read what it holds."""
        self.folder = self.folder.rename(self.folder.with_name(f"unread-{self.folder.name}"))
        self.leave()
        return self.folder

    def leave(self) -> None:
        """Let go of the lock: another process may deliver what is left."""
        self._lock.close()
