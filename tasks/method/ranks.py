"""Sums over the processes of a distributed run; one process alone is its own sum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def ranks() -> int:
    """How many processes take part."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def total(values: Tensor) -> Tensor:
    """The sum of every rank's `values`, on every rank."""
    return _reduced(values, dist.ReduceOp.SUM) if ranks() > 1 else values


def largest(value: float) -> float:
    """The largest of every rank's numbers."""
    if ranks() == 1:
        return value
    return float(_reduced(torch.tensor(float(value), dtype=torch.float64), dist.ReduceOp.MAX))


def any_rank(flag: bool) -> bool:
    """Whether it is true on any rank: what all of them must do together."""
    return largest(float(flag)) > 0


def share(count: int) -> slice:
    """This rank's part of `count` things: neighbours stay together, and rank 0 has the first."""
    rank, size = (dist.get_rank() if ranks() > 1 else 0), ranks()
    return slice(rank * count // size, (rank + 1) * count // size)


def mean_over_ranks(metrics: Mapping[str, float], weight: float) -> dict[str, float]:
    """Every rank's metrics, weighted by its responses."""
    if ranks() == 1:
        return dict(metrics)
    sums = total(torch.tensor([weight, *(weight * value for value in metrics.values())], dtype=torch.float64))
    return dict(zip(metrics, (sums[1:] / sums[0].clamp(min=1)).tolist(), strict=True))


def _reduced(values: Tensor, operation: Any) -> Tensor:
    """A copy, reduced over the ranks; NCCL takes tensors of a GPU only."""
    there = values.cuda() if dist.get_backend() == "nccl" else values.clone()
    dist.all_reduce(there, operation)
    return there.to(values.device)
