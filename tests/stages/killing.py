"""Run a stage as a process of its own, and kill it without warning."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path


def command(stage: str, store: str, overrides: tuple[str, ...], **inputs: str) -> list[str]:
    settings = [part for override in overrides for part in ("--set", override)]
    given = [part for name, uri in inputs.items() for part in ("--input", f"{name}={uri}")]
    return [sys.executable, "-m", "tasks", stage, "--config", "smoke", "--store", store, *settings, *given]


def kill_after_checkpoint(argv: list[str], store: str, number: int, patience: float = 120) -> None:
    """Start `argv` and kill it with SIGKILL as soon as it has published checkpoint `number` or a later one."""
    folder = Path(store.removeprefix("file://"))
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + patience
    while not any(int(p.parent.name) >= number for p in folder.glob("_checkpoints/*/*/_manifest.json")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "no checkpoint came"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def content_of(folder: Path) -> str:
    """The content hash of a published artifact."""
    return str(json.loads((folder / "_manifest.json").read_text())["content"])
