"""tasks/method/prime.py and its place in PPO: the formulas, and that outcomes alone teach it which tokens matter."""

from __future__ import annotations

import math

import pytest
import torch

from tasks.method.arms import ARMS
from tasks.method.engine import OptimiserSettings, PlainEngine
from tasks.method.logprobs import ResponseLogProbs
from tasks.method.prime import BETA, outcome_loss, token_rewards
from tests.method.toy import language_model, mixed_batch, response, trainer


def test_the_loss_is_the_cross_entropy_of_the_summed_rewards():
    rewards = torch.tensor([0.3, -0.2, 0.5, 1.0, -2.0])
    rows, passed = torch.tensor([0, 0, 1, 1, 2]), torch.tensor([1.0, 0.0, 1.0])
    expected = 0.0
    for row, outcome in enumerate(passed.tolist()):
        logit = sum(r for r, where in zip(rewards.tolist(), rows.tolist(), strict=True) if where == row)
        chance = 1 / (1 + math.exp(-logit))
        expected -= outcome * math.log(chance) + (1 - outcome) * math.log(1 - chance)
    assert float(outcome_loss(rewards, rows, passed)) == pytest.approx(expected)


def prime_trainer(**settings):
    model = language_model()
    ppo = trainer(model=language_model(), arm=ARMS["prime"], reference=model, **settings)
    ppo.implicit = PlainEngine(ResponseLogProbs(language_model(), 1.0), OptimiserSettings())
    return ppo


def test_it_starts_at_zero_and_learns_what_passing_responses_have():
    ppo = prime_trainer(learning_rate=3e-3, kl_coefficient=0.0)
    responses = [response("    return sum(xs)\n"), response("    return xs\n", "failed")] * 4
    first, _ = ppo.step(responses, 0)
    assert first["train/prm_return"] == pytest.approx(0, abs=1e-5)
    assert first["train/implicit_loss"] == pytest.approx(math.log(2), abs=1e-4)
    for number in range(1, 20):
        last, _ = ppo.step(responses, number)
    assert last["train/implicit_loss"] < 0.9 * math.log(2)
    batch, _ = ppo.prepare(responses)
    with torch.no_grad():
        (phi, _) = ppo._evaluate(ppo.implicit, batch.pairs, batch.mask)
    sums = (token_rewards(phi, batch.reference) * batch.mask).sum(-1)
    assert (sums[0::2] > 0).all()
    assert (sums[1::2] < 0).all()


def test_its_rewards_enter_the_returns_token_by_token():
    ppo = prime_trainer(kl_coefficient=0.0, gae_lambda=1.0)
    with torch.no_grad():
        for parameter in ppo.implicit.model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    responses = [one for one in mixed_batch() if one.tokens]
    batch, metrics = ppo.prepare(responses)
    with torch.no_grad():
        (phi, _) = ppo._evaluate(ppo.implicit, batch.pairs, batch.mask)
    rewards = BETA * (phi - batch.reference) * batch.mask
    for row, one in enumerate(responses):
        to_go = sum(rewards[row, 1:].tolist()) + float(one.verdict.passed)
        assert float(batch.returns[row, 1]) == pytest.approx(to_go, abs=1e-4)
    assert metrics["train/prm_return"] == pytest.approx(float(rewards.sum(-1).mean()), abs=1e-5)


def test_it_is_part_of_the_checkpoint():
    assert set(prime_trainer().engines) == {"policy", "critic", "implicit"}
    assert set(trainer().engines) == {"policy", "critic"}
