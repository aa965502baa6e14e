"""Local scratch that outlives a stage: downloaded artifacts, and tracking entries a server has not yet taken."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """`PSGPO_CACHE`, or a folder of this user's in the temporary directory."""
    return Path(os.environ.get("PSGPO_CACHE") or f"{tempfile.gettempdir()}/psgpo-cache-{os.getuid()}")
