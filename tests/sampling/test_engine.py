"""tasks/sampling/engine.py and slots.py against a slow sampler that knows no cache and no batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tasks.config import TinyModelConfig
from tasks.errors import BadInput
from tasks.sampling.engine import Request, Sampler, draw
from tasks.sampling.models import tiny_language_model
from tasks.sampling.tokenizer import train_tokenizer

LIMIT = 24


@pytest.fixture(scope="module")
def sampler():
    shape = TinyModelConfig(vocabulary=300, layers=2, width=32, heads=4, context=96)
    tokenizer = train_tokenizer(["def f(x):\n    return x + 1\n"] * 3, shape.vocabulary, shape.context)
    model = tiny_language_model(shape, tokenizer, 3)
    with torch.no_grad():  # end-of-text has to come up now and then, and the distribution must not be flat
        for weight in model.model.layers.parameters():
            weight.mul_(6)
        model.get_input_embeddings().weight.mul_(6)
        model.get_input_embeddings().weight[tokenizer.eos_token_id].mul_(2)
    return Sampler(model, tokenizer, batch_size=5)


@pytest.fixture(scope="module")
def requests(sampler):
    texts = ["def f(x):\n", "x", "return x + 1\n", "def f(x):\n    return", "x"]
    return [Request(tuple(sampler.encode(texts[i % 5])), 1000 + i) for i in range(17)]


def slow_sample(sampler, request, temperature):
    """One request by whole forward passes: the definition."""
    stream = np.random.Generator(np.random.Philox(key=request.seed)).random(LIMIT)
    tokens: list[int] = []
    for number in stream:
        logits = sampler.model(torch.tensor([[*request.prompt, *tokens]])).logits[0, -1].double()
        if temperature == 0:
            token = int(logits.argmax())
        else:
            cumulative = torch.softmax(logits / temperature, -1).cumsum(-1)
            token = int((cumulative <= number).sum())
        tokens.append(token)
        if token == sampler.tokenizer.eos_token_id:
            return tuple(tokens), True
    return tuple(tokens), False


@pytest.mark.parametrize("temperature", [0, 0.7, 1.0])
def test_batched_sampling_gives_what_one_by_one_gives(sampler, requests, temperature):
    sampled = list(sampler.sample(requests, temperature=temperature, max_new_tokens=LIMIT))
    assert sorted(s.index for s in sampled) == list(range(len(requests)))
    for s in sampled:
        assert (s.tokens, s.finished) == slow_sample(sampler, requests[s.index], temperature)
    if temperature:
        assert {s.finished for s in sampled} == {True, False}, "both ways to end must have been seen"


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_the_batch_does_not_matter(sampler, requests, batch_size):
    other = Sampler(sampler.model, sampler.tokenizer, batch_size)
    one = {s.index: s for s in sampler.sample(requests, temperature=1, max_new_tokens=LIMIT)}
    two = {s.index: s for s in other.sample(requests, temperature=1, max_new_tokens=LIMIT)}
    assert one == two


def test_the_seed_does(sampler, requests):
    same = [Request(requests[0].prompt, 7), Request(requests[0].prompt, 7), Request(requests[0].prompt, 8)]
    tokens = {s.index: s.tokens for s in sampler.sample(same, temperature=1, max_new_tokens=LIMIT)}
    assert tokens[0] == tokens[1] != tokens[2]


def test_responses_come_as_they_finish(sampler, requests):
    lengths = [len(s.tokens) for s in sampler.sample(requests[:5], temperature=1, max_new_tokens=60)]
    assert lengths == sorted(lengths)
    assert len(set(lengths)) > 1


def test_fresh_weights_are_used_at_once(sampler, requests):
    before = [s.tokens for s in sampler.sample(requests[:2], temperature=0, max_new_tokens=4)]
    weight = sampler.model.get_input_embeddings().weight
    with torch.no_grad():
        weight.copy_(weight.roll(1, 0))
        after = [s.tokens for s in sampler.sample(requests[:2], temperature=0, max_new_tokens=4)]
        weight.neg_()
    assert before != after


def test_drawing_follows_the_distribution():
    logits = torch.log(torch.tensor([[0.5, 0.0, 0.3, 0.2]])).repeat(10_000, 1)
    uniforms = (torch.arange(10_000) + 0.5) / 10_000
    counts = torch.bincount(draw(logits, uniforms, 1.0), minlength=4) / 10_000
    assert torch.allclose(counts, torch.tensor([0.5, 0.0, 0.3, 0.2]), atol=1e-3)
    assert draw(logits[:1], torch.tensor([0.999999999]), 1.0).item() == 3
    assert draw(logits[:1], torch.tensor([0.0]), 1.0).item() == 0


def test_stop_texts_end_a_response(sampler, requests):
    piece = sampler.pieces(next(iter(sampler.sample(requests[:1], temperature=0, max_new_tokens=3))).tokens)[
        1
    ]
    stopped = Sampler(sampler.model, sampler.tokenizer, stop=(piece.decode(),))
    (response,) = stopped.sample(requests[:1], temperature=0, max_new_tokens=LIMIT)
    assert response.finished
    assert len(response.tokens) <= 2


def test_text_and_pieces_agree(sampler):
    text = "def f(x):\n\n    # ü\n    return x\n"
    tokens = [*sampler.encode(text), sampler.tokenizer.eos_token_id]
    assert sampler.decode(tokens) == text
    assert b"".join(sampler.pieces(tokens)) == text.encode()
    half = [*sampler.encode("ü")[:1], *sampler.encode("\nx")]
    assert sampler.decode(half) == "\N{REPLACEMENT CHARACTER}\nx", "broken bytes must not swallow a newline"


def test_what_does_not_fit_is_refused(sampler, requests):
    with pytest.raises(BadInput, match="exceeds the model's context"):
        list(sampler.sample(requests, temperature=1, max_new_tokens=96))
    with pytest.raises(BadInput, match="no tokens"):
        list(sampler.sample([Request((), 0)], temperature=1, max_new_tokens=4))
    assert list(sampler.sample([], temperature=1, max_new_tokens=4)) == []
