"""Which walls stand between programs and everything else."""

from __future__ import annotations

from tasks.sandbox.namespaces import Namespaces
from tasks.sandbox.shared_pids import SharedPids

Isolation = Namespaces | SharedPids


def make_isolation(name: str, scratch: str) -> Isolation:
    """`scratch` is a folder of this worker's own, used where there is no mount namespace."""
    if name == "namespaces":
        return Namespaces()
    return SharedPids(strict=name == "container", folder=scratch)
