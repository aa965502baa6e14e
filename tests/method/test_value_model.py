"""tasks/method/value_model.py: starts at zero, indifferent to padding, rescales and reloads exactly."""

from __future__ import annotations

import pytest
import torch

from tasks.config import TinyModelConfig
from tasks.errors import BadInput
from tasks.method.value_model import ValueModel
from tasks.sampling.models import load_language_model, save_language_model, tiny_language_model
from tasks.sampling.tokenizer import train_tokenizer

SHAPE = TinyModelConfig(vocabulary=300, layers=1, width=16, heads=2, context=64)
TOKENS = torch.arange(20, 32).view(2, 6)
ALL = torch.ones_like(TOKENS)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["def f(x):\n    return x\n"], SHAPE.vocabulary, SHAPE.context)


@pytest.fixture
def model(tokenizer):
    return ValueModel.from_language_model(tiny_language_model(SHAPE, tokenizer, 0)).eval()


def trained(model):
    torch.manual_seed(0)
    torch.nn.init.normal_(model.head.weight)
    torch.nn.init.normal_(model.head.bias)
    return model


def test_it_starts_at_zero_on_a_copy_of_the_trunk(tokenizer):
    language_model = tiny_language_model(SHAPE, tokenizer, 0)
    model = ValueModel.from_language_model(language_model)
    assert torch.equal(model(TOKENS, ALL), torch.zeros(2, 6))
    with torch.no_grad():
        model.trunk.embed_tokens.weight.zero_()
    assert language_model.get_input_embeddings().weight.abs().sum() > 0


@torch.no_grad()
def test_padding_on_either_side_changes_nothing(model):
    trained(model)
    plain = model(TOKENS, ALL)
    padding = torch.zeros(2, 3, dtype=torch.long)
    left = model(torch.cat([padding, TOKENS], 1), torch.cat([padding, ALL], 1))
    right = model(torch.cat([TOKENS, padding], 1), torch.cat([ALL, padding], 1))
    assert torch.allclose(left[:, 3:], plain, atol=1e-5)
    assert torch.allclose(right[:, :6], plain, atol=1e-5)
    unmasked = model(torch.cat([padding, TOKENS], 1), torch.ones(2, 9))
    assert not torch.allclose(unmasked[:, 3:], plain, atol=1e-3), "the mask must be what makes it so"


@torch.no_grad()
def test_rescaling_is_an_exact_affine_map(model):
    before = trained(model)(TOKENS, ALL)
    model.rescale(0.6375, 0.3875)
    assert torch.allclose(model(TOKENS, ALL), 0.6375 * before + 0.3875, atol=1e-6)


@torch.no_grad()
def test_it_loads_back_identical(model, tokenizer, tmp_path):
    trained(model).save(tmp_path, tokenizer)
    loaded = ValueModel.load(tmp_path)
    assert not loaded.training
    assert torch.equal(loaded(TOKENS, ALL), model(TOKENS, ALL))
    model.save(tmp_path / "again", tokenizer)
    for path in (tmp_path / "again").iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


def test_a_plain_language_model_is_refused(tokenizer, tmp_path):
    save_language_model(tiny_language_model(SHAPE, tokenizer, 0), tokenizer, tmp_path)
    load_language_model(tmp_path)
    with pytest.raises(BadInput, match="value_head"):
        ValueModel.load(tmp_path)
