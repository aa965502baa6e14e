"""The implicit process reward of PRIME (2502.01456), a control: dense rewards without any label of a line.

    r_t = beta log(pi_phi(y_t | x, y_<t) / pi_ref(y_t | x, y_<t))          beta = 0.05

phi starts from the SFT policy and is trained during the run, on outcomes alone: the sum of a response's rewards is the
logit of its passing. Rewards of a step come from phi as it was before the step (the source's single forward pass).
Log-probabilities are taken at the sampling temperature, phi learns at the policy's rate: our choices.
"""

from __future__ import annotations

import torch
from torch import Tensor

BETA = 0.05


def token_rewards(log_probs: Tensor, reference: Tensor) -> Tensor:
    """Log-probabilities of phi and of the reference, same shape -> rewards of that shape."""
    return BETA * (log_probs - reference)


def outcome_loss(rewards: Tensor, rows: Tensor, passed: Tensor) -> Tensor:
    """Summed cross entropy of the outcomes: rewards [N], rows [N] (whose token), passed [B] of 0 or 1 -> scalar."""
    logits = torch.zeros_like(passed).index_add(0, rows, rewards)
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, passed, reduction="sum")
