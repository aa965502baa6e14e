"""tasks/sampling/tokenizer.py: exact round trips, newlines alone, bytes of tokens."""

from __future__ import annotations

import pytest

from tasks.errors import BadInput
from tasks.sampling.tokenizer import token_bytes, train_tokenizer

TEXTS = ["def solve(xs):\n    total = 0\n    for x in xs:\n        total += x\n    return total\n"] * 4
ODD = ["", "\n", "\n\n\n", "a\r\n\tb\n", "ünïcödé 数\n", "x" * 50, '"""doc\n\n  """', "\x00\x7f"]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, 320, 128)


@pytest.mark.parametrize("text", [*ODD, TEXTS[0]])
def test_any_text_survives(tokenizer, text):
    tokens = tokenizer.encode(text, add_special_tokens=False)
    table = token_bytes(tokenizer)
    assert b"".join(table[token] for token in tokens) == text.encode()
    assert tokenizer.decode(tokens) == text


def test_a_newline_is_a_token_of_its_own(tokenizer):
    table = token_bytes(tokenizer)
    with_newline = [piece for piece in table if b"\n" in piece]
    assert with_newline == [b"\n"]
    assert any(len(piece) > 3 for piece in table), (
        "no merges were learnt: the check above would hold trivially"
    )


def test_the_vocabulary_is_as_large_as_asked(tokenizer):
    assert 258 < len(tokenizer) <= 320


def test_end_of_text_and_padding_have_no_bytes(tokenizer):
    table = token_bytes(tokenizer)
    assert tokenizer.eos_token_id != tokenizer.pad_token_id
    assert table[tokenizer.eos_token_id] == table[tokenizer.pad_token_id] == b""


def test_a_tokenizer_without_bytes_is_refused():
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<e>": 0, "数字": 1}, unk_token="<e>"))
    with pytest.raises(BadInput, match="not byte-level"):
        token_bytes(PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<e>", pad_token="<e>"))
