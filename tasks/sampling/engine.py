"""Sample many responses at once: one forward pass per token for all of them, with a key/value cache.

Every request has its own stream of uniform numbers, one per position, from a counter-based generator, and tokens are
drawn by inverting the cumulative distribution. A request therefore gives the same tokens whatever else is in the batch
(up to the order in which floats are summed, which may flip a token when a draw falls on a boundary).

Rows of the cache are slots. A slot is filled from column 0, so that nothing is padded on the left; the last active
slot moves into the place of one that finished, so that the active slots are always the first ones; freed slots are
filled with waiting requests. Requests with the same prompt share its forward pass.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from tasks.errors import BadInput
from tasks.sampling.slots import Slots
from tasks.sampling.tokenizer import token_bytes

REFILL_SHARE = 8  # fill freed slots when one in this many is free: a prompt pass for one row alone is dear


@dataclass(frozen=True)
class Request:
    """Continue `prompt`; `seed` names the request's own random stream."""

    prompt: tuple[int, ...]
    seed: int


@dataclass(frozen=True)
class Sampled:
    """Tokens drawn for the request at `index`; they include the end-of-text token if the model `finished` by itself."""

    index: int
    tokens: tuple[int, ...]
    finished: bool


class Sampler:
    """Samples from `model`, whose current weights are used: after an optimiser step nothing needs refreshing.

    `stop`: texts that end a response; the token that completes one is the response's last.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: Any, batch_size: int = 64, stop: Sequence[str] = ()
    ) -> None:
        self.model, self.tokenizer, self.batch_size = model, tokenizer, batch_size
        self.stop = tuple(text.encode() for text in stop)
        self._ends = _end_tokens(model, tokenizer)
        self._bytes = token_bytes(tokenizer)

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def pieces(self, tokens: Sequence[int]) -> list[bytes]:
        """The bytes of every token; end-of-text has none. Concatenated they are the text."""
        return [self._bytes[token] for token in tokens]

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of the tokens. Bytes that are not UTF-8 become U+FFFD; newlines are never touched by that."""
        return b"".join(self.pieces(tokens)).decode("utf-8", errors="replace")

    @torch.inference_mode()
    def sample(
        self, requests: Sequence[Request], *, temperature: float, max_new_tokens: int
    ) -> Iterator[Sampled]:
        """Every request's response, in the order in which they finish. Temperature 0 takes the likeliest token.

        Raises BadInput when a prompt and its response do not fit the model's context, or a prompt is empty.
        """
        if not requests:
            return
        self._check(requests, max_new_tokens)
        prompts = [request.prompt for request in requests]
        slots = Slots(self.model, prompts, min(self.batch_size, len(requests)), max_new_tokens)
        waiting = deque(range(len(requests)))
        while waiting or slots.active:
            free = slots.size - slots.active
            if waiting and (not slots.active or free * REFILL_SHARE >= slots.size):
                taken = [waiting.popleft() for _ in range(min(free, len(waiting)))]
                rows, logits = slots.fill(taken, [requests[index].seed for index in taken])
            else:
                rows, logits = slots.step()
            slots.append(rows, draw(logits, slots.uniforms(rows), temperature).cpu().numpy())
            yield from self._retire(slots, rows)

    def _retire(self, slots: Slots, rows: slice) -> Iterator[Sampled]:
        """Hand out and free the slots among `rows` that ended by themselves or reached the limit."""
        for slot in reversed(range(rows.start, rows.stop)):  # backwards: a release moves the last slot down
            count = slots.count[slot]
            finished = self._ends_response(slots.drawn[slot, :count])
            if finished or count == slots.limit:
                yield Sampled(int(slots.index[slot]), tuple(slots.drawn[slot, :count].tolist()), finished)
                slots.release(slot)

    def _ends_response(self, tokens: np.ndarray) -> bool:
        if int(tokens[-1]) in self._ends:
            return True
        if not self.stop:
            return False
        text = b"".join(self.pieces(tokens.tolist()))
        return any(stop in text for stop in self.stop)

    def _check(self, requests: Sequence[Request], max_new_tokens: int) -> None:
        context = self.model.config.max_position_embeddings
        longest = max(len(request.prompt) for request in requests)
        if longest + max_new_tokens > context:
            raise BadInput(
                "max_new_tokens",
                f"{max_new_tokens} after a prompt of {longest} tokens exceeds the model's context",
                f"at most {context - longest}",
            )
        if not all(request.prompt for request in requests):
            raise BadInput("prompt", "has no tokens", "at least one token")


def draw(logits: Tensor, uniforms: Tensor, temperature: float) -> Tensor:
    """One token per row of logits [B, V], by inverting the cumulative distribution at uniforms [B]."""
    if temperature == 0:
        return logits.argmax(-1)
    cumulative = torch.softmax(logits.float() / temperature, -1).cumsum(-1)
    targets = uniforms.to(cumulative) * cumulative[:, -1]
    return torch.searchsorted(cumulative, targets[:, None], right=True)[:, 0].clamp(max=logits.shape[-1] - 1)


def _end_tokens(model: PreTrainedModel, tokenizer: Any) -> frozenset[int]:
    """What ends a response: the tokenizer's end of text and those the checkpoint's generation settings name."""
    named = getattr(model.generation_config, "eos_token_id", None)
    extra = named if isinstance(named, list) else [named]
    return frozenset(index for index in (tokenizer.eos_token_id, *extra) if index is not None)
