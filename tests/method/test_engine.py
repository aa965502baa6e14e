"""tasks/method/engine.py: AdamW with clipping, decay for matrices only, checkpoints that go on exactly."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from tasks.method.engine import OptimiserSettings, PlainEngine

DATA = torch.randn(6, 8, 4, generator=torch.Generator().manual_seed(0))


def model():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.LayerNorm(5), torch.nn.Linear(5, 1))


def train(engine, batches, rate=1e-2):
    norms = []
    for batch in batches:
        engine.backward(engine(batch).pow(2).sum())
        norms.append(engine.step(rate))
    return norms


def weights(engine):
    return torch.cat([p.detach().flatten() for p in engine.model.parameters()])


def test_a_step_is_clipped_adamw_with_decay_for_matrices_only():
    engine, reference = PlainEngine(model(), OptimiserSettings(0.1, max_gradient_norm=0.5)), model()
    matrices = [p for p in reference.parameters() if p.ndim == 2]
    vectors = [p for p in reference.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    plain = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.95), foreach=False, fused=False)
    for batch in DATA:
        plain.zero_grad()
        reference(batch).pow(2).sum().backward()
        norm = math.sqrt(sum(float(p.grad.pow(2).sum()) for p in reference.parameters()))
        assert norm > 0.5
        for parameter in reference.parameters():
            parameter.grad *= 0.5 / norm
        plain.step()
        assert train(engine, [batch]) == [pytest.approx(norm, rel=1e-4)]
    assert torch.allclose(
        weights(engine), torch.cat([p.flatten() for p in reference.parameters()]), atol=1e-5
    )


def test_backward_adds_up_until_the_step():
    whole, parts = (PlainEngine(model(), OptimiserSettings()) for _ in range(2))
    train(whole, [DATA[0]])
    for row in DATA[0]:
        parts.backward(parts(row).pow(2).sum())
    parts.step(1e-2)
    assert torch.allclose(weights(whole), weights(parts), atol=1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_changes_nothing(bad):
    engine = PlainEngine(model(), OptimiserSettings())
    train(engine, DATA[:2])
    before = weights(engine).clone()
    engine.backward(engine(DATA[2]).sum() * bad)
    assert not math.isfinite(engine.step(1e-2))
    assert torch.equal(weights(engine), before)
    train(engine, DATA[2:3])
    assert not torch.equal(weights(engine), before)


@pytest.mark.parametrize("steps", [0, 3])
def test_it_goes_on_from_a_checkpoint_as_if_nothing_had_happened(tmp_path, steps):
    engine = PlainEngine(model(), OptimiserSettings(0.1))
    train(engine, DATA[:steps])
    engine.save(tmp_path)
    other = PlainEngine(copy.deepcopy(model()), OptimiserSettings(0.1))
    train(other, DATA[:1])  # state of its own, to be overwritten
    other = PlainEngine(other.model, OptimiserSettings(0.1))
    other.load(tmp_path)
    for one in (engine, other):
        train(one, DATA[3:])
    assert torch.equal(weights(engine), weights(other))
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors"}
