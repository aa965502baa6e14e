"""Where the embedded stack lives and which ports it uses.

AIRFLOW_PORT   Airflow's address (8080)
MLFLOW_PORT    MLflow's address (5001)
PSGPO_STATE    folder of everything that survives `make down` (.state)
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tasks.errors import BadInput

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Settings:
    """One stack. Everything listens on the loopback interface only. `dags`: where Airflow looks for DAG files."""

    state: Path
    airflow_port: int
    mlflow_port: int
    dags: Path = ROOT / "dags"

    @property
    def airflow_uri(self) -> str:
        return f"http://127.0.0.1:{self.airflow_port}"

    @property
    def mlflow_uri(self) -> str:
        return f"http://127.0.0.1:{self.mlflow_port}"

    @property
    def store_uri(self) -> str:
        return f"file://{self.state}/store"

    @property
    def airflow_home(self) -> Path:
        return self.state / "airflow"

    @property
    def logs(self) -> Path:
        """Output of the stack's own processes; task logs are Airflow's."""
        return self.state / "logs"

    @cached_property
    def revision(self) -> str:
        """The checkout's git revision, `+` appended when it has uncommitted changes; empty outside git."""
        head = _git("rev-parse", "--short=12", "HEAD")
        return head + ("+" if head and _git("status", "--porcelain", "--untracked-files=no") else "")


def read_settings() -> Settings:
    """From the environment. Raises BadInput naming the variable."""
    state = Path(os.environ.get("PSGPO_STATE") or ROOT / ".state").absolute()
    return Settings(state, _port("AIRFLOW_PORT", 8080), _port("MLFLOW_PORT", 5001))


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable) or str(default)
    if not text.isdigit() or not 1024 <= int(text) <= 65535:
        raise BadInput(variable, f"is {text!r}", "a port from 1024 to 65535")
    return int(text)


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
