"""One MLflow run per stage and cell, below the DAG run's parent.

Where `MLFLOW_TRACKING_URI` is not set, nothing is tracked. The parent run's id comes in `PSGPO_PARENT_RUN`; a stage
that is run again finds its own run by the tag `psgpo.digest` and goes on in it, so that retries leave no duplicates.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

PARENT_VARIABLE = "PSGPO_PARENT_RUN"


class Tracker(Protocol):
    """What stages log through. Metric names come from `tasks.tracking.names`."""

    @property
    def run_id(self) -> str:
        """Empty where nothing is tracked."""

    def log(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log finite values at a step; a step already logged by an earlier try is not logged again."""

    def tag(self, tags: Mapping[str, str]) -> None: ...

    def file(self, path: Path, folder: str = "") -> None:
        """Attach a file (picture, page, table) to the run."""


class NoTracker:
    """Tracking is off."""

    run_id = ""

    def log(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Nothing to do."""

    def tag(self, tags: Mapping[str, str]) -> None:
        """Nothing to do."""

    def file(self, path: Path, folder: str = "") -> None:
        """Nothing to do."""


@contextmanager
def open_tracker(stage: str, digest: str, label: str, parameters: Mapping[str, Any]) -> Iterator[Tracker]:
    """The tracker of one stage execution; the MLflow run ends FINISHED, FAILED, or KILLED (try again).

    The run's id is told on stderr at once (`mlflow run ID`): links to it work while the stage runs, and after a crash.
    """
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        yield NoTracker()
        return
    from tasks.cache import cache_folder
    from tasks.tracking.mlflow_runs import open_run

    parent = os.environ.get(PARENT_VARIABLE, "")
    with open_run(stage, digest, label, parameters, parent, cache_folder()) as tracker:
        if tracker.run_id:
            print(f"mlflow run {tracker.run_id}", file=sys.stderr, flush=True)
        yield tracker
