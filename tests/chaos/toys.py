"""The stage of `tests/stages/toy.py` as a process of its own: all contract and no work, so that it can be hit often."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def start_toy(
    store: str, steps: int = 6, pause: float = 0.0, before: str = "", **environment: str
) -> subprocess.Popen[str]:
    """`steps` steps of `pause` seconds; `before` is Python that the process runs first."""
    call = f"import sys; from tests.stages.toy import main; sys.exit(main({store!r}, 'sft.epochs={steps}'))"
    return subprocess.Popen(
        [sys.executable, "-c", f"{before}\n{call}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TOY_PAUSE": str(pause), **environment},
    )


def manifest_of(out: str) -> dict[str, Any]:
    """The manifest of what a toy says it made."""
    address = json.loads(out.splitlines()[-1])["artifact"]
    return json.loads((Path(address.removeprefix("file://")) / "_manifest.json").read_text())
