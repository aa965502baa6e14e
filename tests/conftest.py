"""What several parts of the test suite share."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers

# before anything imports torch: tests start processes of their own, and two with two threads each are far slower than
# with one each
os.environ.setdefault("OMP_NUM_THREADS", "1")

# whoever runs the tests may have a tracking server: no test writes to it by accident
for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "PSGPO_PARENT_RUN"):
    os.environ.pop(variable, None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has its own local cache."""
    monkeypatch.setenv("PSGPO_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real MLflow server on SQLite, started once (about 13 s)."""
    server = servers.mlflow_server(tmp_path_factory.mktemp("mlflow"), port := free_port())
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()


@pytest.fixture
def tracked(mlflow_server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """Tracking is on, in an experiment of the test's own; the server's address."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", request.node.nodeid)
    return mlflow_server
