"""A small byte-level BPE tokenizer for the embedded default, and the bytes behind the tokens of any byte-level one.

A newline is always a token of its own here, so that every line ends at a token; so are digits, commas and parentheses,
so that numbers are copied rather than memorised. Within these bounds merges may span words: a phrase such as
`for x in xs:` becomes one token, which makes StepCode's programs half as long and a small model much better at them.
Tokenizers of published models merge newlines with what stands before them; the code that needs line ends works on
bytes and does not care.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tasks.errors import BadInput

END_OF_TEXT = "<|endoftext|>"
PADDING = "<|pad|>"
ALONE = "[\n0-9(),]"  # characters that never merge


def train_tokenizer(texts: Iterable[str], vocabulary: int, context: int) -> Any:
    """A transformers fast tokenizer of at most `vocabulary` entries; any text survives encode and decode exactly."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(ALONE), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT, PADDING],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TEXT,
        pad_token=PADDING,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )


def token_bytes(tokenizer: Any) -> list[bytes]:
    """The bytes of every token id; end-of-text and padding have none. Added tokens are their own text.

    Raises BadInput when the tokenizer is not byte-level: its tokens have no bytes of their own.
    """
    alphabet = _byte_of_character()
    added = {index: token.content for index, token in tokenizer.added_tokens_decoder.items()}
    silent = {tokenizer.eos_token_id, tokenizer.pad_token_id}
    table = []
    for index in range(len(tokenizer)):
        token = added.get(index) or tokenizer.convert_ids_to_tokens(index) or ""
        if index in silent:
            table.append(b"")
        elif index in added:
            table.append(token.encode())
        elif all(character in alphabet for character in token):
            table.append(bytes(alphabet[character] for character in token))
        else:
            raise BadInput(
                "tokenizer", f"token {index} {token!r} is not byte-level", "a byte-level BPE tokenizer"
            )
    return table


def _byte_of_character() -> dict[str, int]:
    """The printable stand-ins of byte-level BPE: printable Latin-1 stands for itself, the rest counts up from 256."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(byte): byte for byte in printable}
    others = (byte for byte in range(256) if byte not in set(printable))
    table.update({chr(256 + number): byte for number, byte in enumerate(others)})
    return table
