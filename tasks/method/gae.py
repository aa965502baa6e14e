"""Generalised advantage estimation and masked statistics (Schulman et al., 1506.02438).

Tensors are laid out by response: row = response, column = position in it, padded on the right; `mask` is 1 on response
tokens. `values[:, t]` is the critic's estimate before token t is chosen, `rewards[:, t]` what choosing it earned. A
response that was cut at the limit ends like any other: its tests have judged it as it is.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

EPSILON = 1e-8
Total = Callable[[Tensor], Tensor]


def gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    """rewards, values, mask [B, R] -> advantages and returns [B, R], zero outside the mask.

    delta_t = r_t + gamma V_{t+1} - V_t;  A_t = delta_t + gamma lam A_{t+1};  return_t = A_t + V_t, with V and A zero
    after a row's last token.
    """
    rewards, values = rewards * mask, values * mask
    advantages = torch.zeros_like(rewards)
    following = torch.zeros_like(rewards[:, 0])
    next_value = torch.zeros_like(following)
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        following = (delta + gamma * lam * following) * mask[:, t]
        next_value = values[:, t]
        advantages[:, t] = following
    return advantages, (advantages + values) * mask


def masked_mean(values: Tensor, mask: Tensor, total: Total = lambda sums: sums) -> Tensor:
    """Mean over mask; 0 where the mask is empty. `total` adds up the sums of several processes."""
    summed, count = total(torch.stack([(values * mask).sum(), mask.sum()]))
    return summed / count.clamp(min=1)


def masked_variance(values: Tensor, mask: Tensor, total: Total = lambda sums: sums) -> Tensor:
    """Population variance over mask; 0 where the mask is empty."""
    return masked_mean((values - masked_mean(values, mask, total)) ** 2, mask, total)


def whiten(values: Tensor, mask: Tensor, total: Total = lambda sums: sums) -> Tensor:
    """Zero mean, unit variance over the mask (not over padding), zero outside."""
    centred = values - masked_mean(values, mask, total)
    return centred * torch.rsqrt(masked_variance(values, mask, total) + EPSILON) * mask


def explained_variance(
    predicted: Tensor, observed: Tensor, mask: Tensor, total: Total = lambda sums: sums
) -> float:
    """1 - Var(observed - predicted) / Var(observed) over the mask; 0 where nothing varies."""
    whole = float(masked_variance(observed, mask, total))
    left = float(masked_variance(observed - predicted, mask, total))
    return 1 - left / whole if whole > EPSILON else 0.0
