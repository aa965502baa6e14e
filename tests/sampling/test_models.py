"""tasks/sampling/models.py: ordinary checkpoints, the tiny model, clear refusals."""

from __future__ import annotations

import hashlib

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen2ForCausalLM

from tasks.config import TinyModelConfig
from tasks.errors import BadInput
from tasks.sampling.models import load_language_model, save_language_model, tiny_language_model
from tasks.sampling.tokenizer import train_tokenizer

SHAPE = TinyModelConfig(vocabulary=300, layers=1, width=16, heads=2, context=64)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["def f(x):\n    return x\n"], SHAPE.vocabulary, SHAPE.context)


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_the_seed_decides_the_weights(tokenizer):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = (tiny_language_model(SHAPE, tokenizer, seed) for seed in (1, 1, 2))
    pairs = list(zip(first.parameters(), again.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not all(torch.equal(a, c) for a, _, c in pairs)
    assert torch.equal(torch.rand(3), expected), "making a model must not disturb the random state"


def test_saved_twice_it_has_the_same_bytes_and_loads_back(tokenizer, tmp_path):
    model = tiny_language_model(SHAPE, tokenizer, 0)
    for name in ("a", "b"):
        save_language_model(model, tokenizer, tmp_path / name)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    loaded, loaded_tokenizer = load_language_model(tmp_path / "a")
    assert isinstance(loaded, Qwen2ForCausalLM)
    assert not loaded.training
    spanning = (
        "def f(x):\n    return x\n"  # its merges cross words, which Qwen2's own pre-tokenizer would cut
    )
    assert loaded_tokenizer.encode(spanning) == tokenizer.encode(spanning)
    assert len(tokenizer.encode(spanning)) < len(
        AutoTokenizer.from_pretrained(tmp_path / "a").encode(spanning)
    )
    for one, other in zip(model.parameters(), loaded.parameters(), strict=True):
        assert torch.equal(one, other)


def test_plain_transformers_opens_the_checkpoint(tokenizer, tmp_path):
    save_language_model(tiny_language_model(SHAPE, tokenizer, 0), tokenizer, tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    tokens = AutoTokenizer.from_pretrained(tmp_path)("def f", return_tensors="pt").input_ids
    assert AutoModelForCausalLM.from_pretrained(tmp_path)(tokens).logits.shape == (
        1,
        tokens.shape[1],
        len(tokenizer),
    )


def test_a_model_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(BadInput, match="nowhere"):
        load_language_model(tmp_path / "nowhere")


def test_pickled_weights_are_refused(tokenizer, tmp_path):
    model = tiny_language_model(SHAPE, tokenizer, 0)
    save_language_model(model, tokenizer, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(BadInput, match="cannot be loaded"):
        load_language_model(tmp_path)
