"""What the processes of an embedded stack hold, service by service."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from infra.local import processes

SERVICES = {
    "airflow api": "api-server",
    "airflow scheduler": "scheduler",
    "airflow dag": "dag-processor",
    "airflow worker": "workers",
    "mlflow": "mlflow",
}
"""By what their command lines hold; everything else is a job."""
FOLDERS = ("airflow", "mlflow", "logs", "cache", "store")


@dataclass(frozen=True)
class Use:
    """`memory` in MB (proportional set size), open `descriptors`, `processes`: all processes of a service together."""

    memory: float = 0.0
    descriptors: int = 0
    processes: int = 0

    def __add__(self, other: Use) -> Use:
        return Use(
            self.memory + other.memory,
            self.descriptors + other.descriptors,
            self.processes + other.processes,
        )


def look(state: Path) -> dict[str, Use]:
    """What each service of the stack holds now."""
    found: dict[str, Use] = defaultdict(Use)
    for process in processes.running(state):
        try:
            line = " ".join(process.cmdline())
            service = next((name for words, name in SERVICES.items() if words in line), "jobs")
            memory = process.memory_full_info().pss / 2**20
            found[service] += Use(memory, process.num_fds(), 1)
        except psutil.Error:  # it has ended meanwhile
            continue
    return dict(found)


def disk(state: Path) -> dict[str, float]:
    """MB in each folder of the stack's state."""
    return {name: _size(state / name) / 2**20 for name in FOLDERS}


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total


class Watch:
    """Looks every `every` seconds while it is entered; `samples` are (seconds since entered, what was seen)."""

    def __init__(self, state: Path, every: float) -> None:
        self.state, self.every = state, every
        self.samples: list[tuple[float, Mapping[str, Use]]] = []

    @property
    def peak_mb(self) -> float:
        """Most memory that all services held at once."""
        return max(sum(use.memory for use in seen.values()) for _, seen in self.samples)

    def __enter__(self) -> Watch:
        self._over, self._began = threading.Event(), time.monotonic()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            self.samples.append((time.monotonic() - self._began, look(self.state)))
            if self._over.wait(self.every):
                return
