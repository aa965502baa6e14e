"""tasks/method/gae.py against plain loops written from the formulas."""

from __future__ import annotations

import math

import pytest
import torch

from tasks.method.gae import explained_variance, gae, masked_mean, masked_variance, whiten


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    lengths = [7, 1, 4, 0]
    mask = (torch.arange(7) < torch.tensor(lengths)[:, None]).double()
    # Padding holds rubbish on purpose: it must never be read.
    rewards = torch.randn(4, 7, generator=generator, dtype=torch.float64)
    values = torch.randn(4, 7, generator=generator, dtype=torch.float64)
    return rewards, values, mask, lengths


def gae_by_definition(rewards, values, gamma, lam):
    """A_t = sum_k (gamma lam)^k delta_{t+k}, written as the double sum."""
    T = len(rewards)
    deltas = [rewards[t] + gamma * (values[t + 1] if t + 1 < T else 0.0) - values[t] for t in range(T)]
    return [sum((gamma * lam) ** k * deltas[t + k] for k in range(T - t)) for t in range(T)]


@pytest.mark.parametrize("gamma, lam", [(1.0, 0.95), (0.9, 0.5), (1.0, 1.0), (1.0, 0.0)])
def test_advantages_are_the_double_sum(batch, gamma, lam):
    rewards, values, mask, lengths = batch
    advantages, returns = gae(rewards, values, mask, gamma, lam)
    for row, length in enumerate(lengths):
        expected = gae_by_definition(
            rewards[row, :length].tolist(), values[row, :length].tolist(), gamma, lam
        )
        assert advantages[row, :length].tolist() == pytest.approx(expected)
        assert returns[row, :length].tolist() == pytest.approx(
            [a + v for a, v in zip(expected, values[row, :length].tolist(), strict=True)]
        )
    assert not (advantages * (1 - mask)).any()
    assert not (returns * (1 - mask)).any()


def test_with_lambda_one_returns_are_rewards_to_go(batch):
    rewards, values, mask, lengths = batch
    _, returns = gae(rewards, values, mask, 1.0, 1.0)
    for row, length in enumerate(lengths):
        expected = [float(rewards[row, t:length].sum()) for t in range(length)]
        assert returns[row, :length].tolist() == pytest.approx(expected)


def test_padding_changes_nothing(batch):
    rewards, values, mask, _ = batch
    wide = [
        torch.cat([tensor, torch.full((4, 3), fill)], 1) for tensor, fill in ((rewards, 9.0), (values, 5.0))
    ]
    padded, _ = gae(*wide, torch.cat([mask, torch.zeros(4, 3)], 1), 1.0, 0.95)
    plain, _ = gae(rewards, values, mask, 1.0, 0.95)
    assert torch.equal(padded[:, :7], plain)
    unmasked, _ = gae(*wide, torch.ones(4, 10), 1.0, 0.95)
    assert not torch.allclose(unmasked[:, :7], plain), "the mask must be what makes it so"


def test_statistics_are_over_the_mask(batch):
    values, _, mask, _ = batch
    chosen = [v for v, m in zip(values.flatten().tolist(), mask.flatten().tolist(), strict=True) if m]
    mean = sum(chosen) / len(chosen)
    variance = sum((v - mean) ** 2 for v in chosen) / len(chosen)
    assert float(masked_mean(values, mask)) == pytest.approx(mean)
    assert float(masked_variance(values, mask)) == pytest.approx(variance)
    expected = [(v - mean) / math.sqrt(variance + 1e-8) for v in chosen]
    assert whiten(values, mask)[mask > 0].tolist() == pytest.approx(expected)
    assert not whiten(values, mask)[mask == 0].any()
    over_all = (values - values.mean()) / values.std(correction=0)
    assert not torch.allclose(over_all[mask > 0], whiten(values, mask)[mask > 0], atol=1e-3)


def test_nothing_and_constants_give_no_nan():
    values = torch.full((2, 3), 4.0)
    for mask in (torch.zeros(2, 3), torch.tensor([[1.0, 0, 0], [0, 0, 0]]), torch.ones(2, 3)):
        assert torch.isfinite(whiten(values, mask)).all()
        assert not whiten(values, mask).any()
        assert explained_variance(values, values, mask) == 0.0


def test_explained_variance():
    observed, mask = torch.tensor([[0.0, 1.0, 2.0, 99.0]]), torch.tensor([[1.0, 1, 1, 0]])
    assert explained_variance(observed, observed, mask) == pytest.approx(1)
    assert explained_variance(torch.ones(1, 4), observed, mask) == pytest.approx(0)
    assert explained_variance(-observed, observed, mask) < 0
