"""tasks/method/sft.py: the loss on response tokens, the order of batches, the learning rate."""

from __future__ import annotations

import math

import pytest
import torch

from tasks.method.engine import OptimiserSettings, PlainEngine
from tasks.method.sft import Pair, ResponseLikelihood, collate, epoch_batches, learning_rate, sft_step
from tests.method.toy import language_model, mixed_batch

PAIRS = [Pair(r.prompt, r.tokens) for r in mixed_batch()]


@torch.no_grad()
def test_the_loss_is_that_of_response_tokens_alone():
    model = language_model()
    expected = 0.0
    for pair in PAIRS:
        logp = torch.log_softmax(model(torch.tensor([[*pair.prompt, *pair.response]])).logits[0], -1)
        for t, token in enumerate(pair.response):
            expected -= float(logp[len(pair.prompt) + t - 1, token])
    assert float(ResponseLikelihood(model)(*collate(PAIRS, model.device))) == pytest.approx(
        expected, rel=1e-4
    )
    tokens, is_response = collate(PAIRS, model.device)
    assert float(ResponseLikelihood(model)(tokens, is_response | True)) > 1.2 * expected


def test_an_epoch_takes_everything_once_in_an_order_of_its_own():
    lengths = [7 * i % 50 for i in range(1000)]
    first, again, second = (epoch_batches(lengths, 8, 0, epoch) for epoch in (0, 0, 1))
    assert sorted(index for batch in first for index in batch) == list(range(1000))
    assert first == again != second
    assert epoch_batches(lengths, 8, 1, 0) != first
    padded = sum(len(batch) * max(lengths[i] for i in batch) for batch in first)
    assert 1 - sum(lengths) / padded < 0.15
    means = [sum(lengths[i] for i in batch) for batch in first[:20]]
    assert means != sorted(means), "short batches must not all come first"


def test_the_learning_rate_rises_and_falls():
    rates = [learning_rate(step, 200, 1.0, 0.05) for step in range(200)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[105] == pytest.approx(0.55, abs=0.01)
    assert rates[-1] == pytest.approx(0.1, abs=1e-3)


def test_it_learns_what_it_is_shown():
    engine = PlainEngine(ResponseLikelihood(language_model()), OptimiserSettings())
    losses = [sft_step(engine, PAIRS[:3], 1e-2, torch.device("cpu")) for _ in range(60)]
    assert losses[-1] < 0.2 * losses[0]


def test_a_loss_that_is_not_finite_is_refused():
    engine = PlainEngine(ResponseLikelihood(language_model()), OptimiserSettings())
    with torch.no_grad():
        next(iter(engine.model.parameters())).fill_(math.nan)
    with pytest.raises(ArithmeticError, match="not finite"):
        sft_step(engine, PAIRS, 1e-3, torch.device("cpu"))
