"""Open the sandbox the configuration asks for, or the service this job is given.

`PSGPO_SANDBOX` (`http://HOST:PORT`, `unix:PATH`) is a sandbox service; it has its own isolation and workers. Where programs
run changes no verdict, so it is no part of the configuration.
"""

from __future__ import annotations

import os

from tasks.config import SandboxConfig
from tasks.sandbox import Limits, Sandbox


def open_sandbox(section: SandboxConfig) -> Sandbox:
    """A context manager; see `tasks.sandbox.Sandbox.open`."""
    return Sandbox.open(
        isolation=section.isolation,
        workers=section.workers,
        limits=limits_of(section),
        address=os.environ.get("PSGPO_SANDBOX") or None,
    )


def limits_of(section: SandboxConfig) -> Limits:
    return Limits(
        cpu_seconds=section.cpu_seconds, wall_seconds=section.wall_seconds, memory_mb=section.memory_mb
    )
