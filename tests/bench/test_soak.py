"""The soak tells what grows from what does not."""

from __future__ import annotations

import random

import pytest

from bench._services import Use
from bench.soak import table, trend, trends


def series(per_hour: float, noise: float, mean: float = 100.0) -> list[tuple[float, float]]:
    """Half an hour, every ten seconds."""
    generator = random.Random(0)
    return [(10.0 * n, mean + per_hour * n / 360 + generator.uniform(-noise, noise)) for n in range(180)]


@pytest.mark.parametrize(
    ("per_hour", "noise", "flat"),
    [
        (0, 0, True),
        (0, 30, True),
        (10, 1, True),  # 5 % in half an hour
        (-60, 1, True),
        (60, 1, False),
        (60, 30, False),  # a leak under noise
    ],
)
def test_what_grows_is_not_flat(per_hour: float, noise: float, flat: bool) -> None:
    found = trend(series(per_hour, noise))
    assert found["flat"] is flat
    assert found["per_hour"] == pytest.approx(per_hour, abs=4 * found["error"] + 0.01)


def test_a_service_that_leaks_descriptors_is_told() -> None:
    leaking = [(10.0 * n, Use(100.0, 20 + n, 2)) for n in range(60)]
    found = trends(leaking)
    assert [name for name, one in found.items() if not one["flat"]] == ["descriptors"]
    assert "| mlflow | descriptors | 49.5 | +360.0 ± 0.00 | NO |" in table({"mlflow": found})


def test_uses_are_added() -> None:
    assert Use(1.5, 2, 1) + Use(1.0, 3, 1) == Use(2.5, 5, 2)
