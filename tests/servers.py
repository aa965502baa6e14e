"""Real servers for tests: started, killed, started again on the same port and the same data."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import psutil

_START_SECONDS = 120.0


class Server:
    """One server in a process group of its own. `answers` tells whether it is ready."""

    def __init__(
        self, argv: Sequence[str], environment: Mapping[str, str], folder: Path, answers: Callable[[], bool]
    ) -> None:
        self._argv, self._environment, self._folder, self._answers = argv, environment, folder, answers
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Start and wait until it is ready; raises RuntimeError with the end of its log."""
        log = self._folder / "log"
        with log.open("a") as output:
            self._process = subprocess.Popen(
                self._argv,
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=self._folder,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"no server {self._argv}:\n{log.read_text()[-2000:]}")
            time.sleep(0.2)

    def kill(self) -> None:
        """SIGKILL, to its children as well."""
        found = psutil.Process(self._process.pid) if self._process.poll() is None else None
        below = found.children(recursive=True) if found else []
        for process in (*([found] if found else []), *below):
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self._process.wait()

    def stop(self) -> None:
        """As the system would: ask, then insist."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()


def http_answers(address: str) -> Callable[[], bool]:
    """Whether any HTTP answer comes from an address."""

    def answers() -> bool:
        try:
            urlopen(address, timeout=5).close()
        except HTTPError:
            return True
        except (URLError, OSError):
            return False
        return True

    return answers


def mlflow_server(folder: Path, port: int) -> Server:
    """A real MLflow server on SQLite (about 13 s to start)."""
    environment = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "SCARF_ANALYTICS": "false",
        "OMP_NUM_THREADS": "1",
    }
    argv = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    argv += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    argv += ["--artifacts-destination", f"file://{folder}/artifacts"]
    return Server(argv, environment, folder, http_answers(f"http://127.0.0.1:{port}/health"))
