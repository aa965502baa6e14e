"""Critic initialisation from the PRM (section 3.3). How to map the ranges is open in the paper; four ways, our choice:

    copy        weights and head as they are: values start in the PRM's range [-1, 1]
    affine      head mapped from [-1, 1] onto the range of returns of the arm, [-lambda_fail, 1 + lambda_pass] or [0, 1]
    calibrate   head scaled and shifted so that it predicts the returns of graded SFT responses best: two numbers
    refit       the whole head fitted to them by ridge regression, with the affine head as prior

`affine` starts far too high where few responses pass: a prefix that one of K completions recovers is worth much less than
1. The first updates then go into taking the offset back, and what the PRM knew goes with it. The prior of `refit`
matters: fitted on returns that are nearly all zero without one, the head would forget the PRM.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tasks.config import RewardConfig
from tasks.method.arms import Arm
from tasks.method.logprobs import micro_batches
from tasks.method.ppo import Earned
from tasks.method.sft import Pair, collate
from tasks.method.value_model import ValueModel

PRIOR_TOKENS = 1000  # the affine head counts as much as this many response tokens


def range_of_returns(arm: Arm, reward: RewardConfig) -> tuple[float, float]:
    """Lowest and highest return of a response, KL penalty aside."""
    dense = arm.dense == "prm"
    return -reward.lambda_fail * dense, 1 + reward.lambda_pass * dense


def map_head(critic: ValueModel, low: float, high: float) -> None:
    """Map the head's range [-1, 1] onto [low, high]."""
    critic.rescale((high - low) / 2, (high + low) / 2)


@torch.no_grad()
def calibrate_head(
    critic: ValueModel, pairs: Sequence[Pair], returns: Sequence[Tensor], budget: int
) -> tuple[float, float]:
    """Scale and shift the head by least squares; returns[i] [response tokens of pair i], in the pairs' order.

    Never turns the PRM round: where it ranks the returns backwards the head becomes their mean. Returns scale and shift.
    """
    device = critic.head.weight.device
    predicted, earned = [], []
    for rows in micro_batches([len(pair) for pair in pairs], budget):
        inputs, is_response = collate([pairs[row] for row in rows], device)
        values = critic(inputs[:, :-1], torch.ones_like(inputs[:, :-1]))
        predicted.append(values[is_response[:, 1:]].double().cpu())
        earned.append(torch.cat([returns[row] for row in rows]).double())
    x, y = torch.cat(predicted), torch.cat(earned)
    spread = ((x - x.mean()) ** 2).sum()
    scale = max(0.0, float(((x - x.mean()) * y).sum() / spread)) if spread > 0 else 0.0
    shift = float(y.mean() - scale * x.mean())
    critic.rescale(scale, shift)
    return scale, shift


@torch.no_grad()
def refit_head(critic: ValueModel, pairs: Sequence[Pair], returns: Sequence[Tensor], budget: int) -> None:
    """Move the head towards the returns: returns[i] [response tokens of pair i], in the pairs' order.

    min_w sum_t (w h_t - G_t)^2 + PRIOR_TOKENS mean_t |h_t|^2 / D |w - w_0|^2, solved exactly; w includes the bias.
    """
    device = critic.head.weight.device
    width = critic.head.weight.shape[1] + 1
    products = torch.zeros(width, width, dtype=torch.float64, device=device)
    errors = torch.zeros(width, dtype=torch.float64, device=device)
    prior = torch.cat([critic.head.weight[0], critic.head.bias]).double()
    tokens = 0
    for rows in micro_batches([len(pair) for pair in pairs], budget):
        inputs, is_response = collate([pairs[row] for row in rows], device)
        hidden = critic.trunk(inputs[:, :-1], use_cache=False).last_hidden_state[is_response[:, 1:]].double()
        states = torch.cat([hidden, torch.ones_like(hidden[:, :1])], 1)  # [N, D + 1]
        targets = torch.cat([returns[row] for row in rows]).to(states)
        products += states.T @ states
        errors += states.T @ (targets - states @ prior)
        tokens += len(states)
    strength = PRIOR_TOKENS * products.diagonal().sum() / max(1, tokens) / width
    ridge = strength * torch.eye(width, dtype=torch.float64, device=device)
    weights = prior + torch.linalg.solve(products + ridge, errors)
    critic.head.weight[0] = weights[:-1].to(critic.head.weight)
    critic.head.bias[0] = weights[-1].to(critic.head.bias)


def returns_to_go(earned: Sequence[Earned]) -> list[Tensor]:
    """What each token's response still earns from there on, [response tokens] each."""
    rewards = [torch.tensor(one.dense, dtype=torch.float64) for one in earned]
    for one, row in zip(earned, rewards, strict=True):
        row[-1] += one.outcome
    return [row.flip(0).cumsum(0).flip(0) for row in rewards]
