"""Open the sandbox the configuration asks for."""

from __future__ import annotations

from tasks.config import SandboxConfig
from tasks.sandbox import Limits, Sandbox


def open_sandbox(section: SandboxConfig) -> Sandbox:
    """A context manager; see `tasks.sandbox.Sandbox.open`."""
    return Sandbox.open(isolation=section.isolation, workers=section.workers, limits=limits_of(section))


def limits_of(section: SandboxConfig) -> Limits:
    return Limits(
        cpu_seconds=section.cpu_seconds, wall_seconds=section.wall_seconds, memory_mb=section.memory_mb
    )
