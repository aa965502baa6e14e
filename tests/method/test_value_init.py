"""tasks/method/value_init.py: ranges, the exact ridge solution, and that all-zero returns do not erase the PRM."""

from __future__ import annotations

import copy

import pytest
import torch

from tasks.config import RewardConfig
from tasks.method.arms import ARMS
from tasks.method.ppo import earn
from tasks.method.sft import Pair
from tasks.method.value_init import (
    calibrate_head,
    map_head,
    range_of_returns,
    refit_head,
    returns_to_go,
)
from tasks.method.value_model import ValueModel
from tests.method.toy import language_model, mixed_batch


@pytest.fixture
def critic():
    model = ValueModel.from_language_model(language_model(1))
    torch.manual_seed(0)
    torch.nn.init.normal_(model.head.weight, std=0.3)
    torch.nn.init.normal_(model.head.bias, std=0.3)
    return model.eval()


PAIRS = [Pair(r.prompt, r.tokens) for r in mixed_batch()]


@torch.no_grad()
def values(critic):
    """The critic before every response token, all pairs in a row."""
    found = []
    for pair in PAIRS:
        whole = torch.tensor([[*pair.prompt, *pair.response]])
        found.append(critic(whole, torch.ones_like(whole))[0, len(pair.prompt) - 1 : -1])
    return torch.cat(found)


def test_the_range_of_returns_depends_on_the_arm():
    assert range_of_returns(ARMS["value_init"], RewardConfig()) == (0, 1)
    assert range_of_returns(ARMS["psgpo"], RewardConfig()) == (-0.25, 1.025)


def test_the_affine_map_sends_the_range_of_labels_to_the_range_of_returns(critic):
    before = values(critic)
    map_head(critic, -0.25, 1.025)
    expected = -0.25 + (before + 1) / 2 * 1.275
    assert torch.allclose(values(critic), expected, atol=1e-5)


def test_returns_to_go_are_what_is_still_earned():
    earned = [earn(one, [0.5], ARMS["dense"], RewardConfig()) for one in mixed_batch()[:1]]
    (returns,) = returns_to_go(earned)
    rewards = [*earned[0].dense[:-1], earned[0].dense[-1] + 1.0]
    assert returns.tolist() == pytest.approx([sum(rewards[t:]) for t in range(len(rewards))])


def explained(critic, returns):
    """Explained variance and mean squared error of the critic's values."""
    errors = torch.cat(returns) - values(critic)
    return 1 - float(errors.var() / torch.cat(returns).var()), float((errors**2).mean())


def test_calibration_takes_the_offset_away_and_keeps_the_order(critic):
    """Few responses pass: returns follow the PRM's order, far below the range that its labels are mapped to."""
    generator = torch.Generator().manual_seed(0)
    before = values(critic)
    noise = 0.02 * torch.randn(len(before), generator=generator)
    returns = list((0.05 + 0.04 * before + noise).split([len(pair.response) for pair in PAIRS]))
    affine = copy.deepcopy(critic)
    map_head(affine, *range_of_returns(ARMS["psgpo"], RewardConfig()))
    scale, shift = calibrate_head(critic, PAIRS, returns, budget=100)
    assert (scale, shift) == (pytest.approx(0.04, abs=0.02), pytest.approx(0.05, abs=0.02))
    assert torch.allclose(values(critic), scale * before + shift, atol=1e-5)
    (started, error), (mapped, far) = explained(critic, returns), explained(affine, returns)
    assert started > 0 > mapped, "the affine map starts worse than a constant"
    assert error < 0.01 * far


def test_calibration_never_turns_the_prm_round(critic):
    returns = list((0.1 - 0.5 * values(critic)).split([len(pair.response) for pair in PAIRS]))
    scale, shift = calibrate_head(critic, PAIRS, returns, budget=4096)
    assert scale == 0
    assert values(critic).std() < 1e-6
    assert shift == pytest.approx(float(torch.cat(returns).mean()), abs=1e-6)


def test_refitting_is_ridge_regression_with_the_old_head_as_prior(critic, monkeypatch):
    monkeypatch.setattr("tasks.method.value_init.PRIOR_TOKENS", 3)
    targets = [torch.linspace(0, 1, len(pair.response)) for pair in PAIRS]
    states = []
    with torch.no_grad():
        for pair in PAIRS:
            whole = torch.tensor([[*pair.prompt, *pair.response]])
            hidden = critic.trunk(whole, use_cache=False).last_hidden_state[0, len(pair.prompt) - 1 : -1]
            states.append(torch.cat([hidden, torch.ones(len(hidden), 1)], 1).double())
    x, y = torch.cat(states), torch.cat(targets).double()
    prior = torch.cat([critic.head.weight[0], critic.head.bias]).detach().double()
    strength = 3 * float((x**2).sum()) / len(x) / x.shape[1]
    refit_head(critic, PAIRS, targets, budget=100)
    fitted = torch.cat([critic.head.weight[0], critic.head.bias]).detach().double()
    gradient = 2 * x.T @ (x @ fitted - y) + 2 * strength * (fitted - prior)
    assert gradient.abs().max() < 1e-3, "the solution is where the penalised squares have no slope"
    assert (2 * x.T @ (x @ prior - y)).abs().max() > 1


def test_all_zero_returns_do_not_erase_what_the_prm_knows(critic, monkeypatch):
    zeros = [torch.zeros(len(pair.response)) for pair in PAIRS]
    before = values(critic)
    refit_head(critic, PAIRS, zeros, budget=4096)
    assert torch.corrcoef(torch.stack([before, values(critic)]))[0, 1] > 0.9
    assert values(critic).std() > 0.5 * before.std()
    monkeypatch.setattr("tasks.method.value_init.PRIOR_TOKENS", 1e-6)
    refit_head(critic, PAIRS, zeros, budget=4096)
    assert values(critic).std() < 0.1 * before.std(), "without the prior it is erased"
