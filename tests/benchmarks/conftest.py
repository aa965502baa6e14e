"""What the benchmark tests share: the real files where they are, and one open sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.sandbox import Sandbox

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def real_file():
    """`real_file(name)`: a real benchmark file; skips the test where the folder is absent."""

    def find(name: str) -> Path:
        if not (DATA / name).is_file():
            pytest.skip(f"needs {name} in ../shared/data")
        return DATA / name

    return find


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox.open(isolation="namespaces", workers=2) as opened:
        yield opened
