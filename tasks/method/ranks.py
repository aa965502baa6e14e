"""Sums over the processes of a distributed run; one process alone is its own sum."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.distributed as dist
from torch import Tensor


def ranks() -> int:
    """How many processes take part."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def total(values: Tensor) -> Tensor:
    """The sum of every rank's `values`, on every rank."""
    if ranks() > 1:
        values = values.clone()
        dist.all_reduce(values)
    return values


def largest(value: float) -> float:
    """The largest of every rank's numbers."""
    if ranks() == 1:
        return value
    found = torch.tensor(float(value), dtype=torch.float64)
    dist.all_reduce(found, dist.ReduceOp.MAX)
    return float(found)


def mean_over_ranks(metrics: Mapping[str, float], weight: float) -> dict[str, float]:
    """Every rank's metrics, weighted by its responses."""
    if ranks() == 1:
        return dict(metrics)
    sums = total(torch.tensor([weight, *(weight * value for value in metrics.values())], dtype=torch.float64))
    return dict(zip(metrics, (sums[1:] / sums[0].clamp(min=1)).tolist(), strict=True))
