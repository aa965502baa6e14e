"""The rows that are being sampled: their key/value cache, their random streams and the tokens drawn so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel


class SlotCache:
    """Keys and values, per layer [size, heads, capacity, head width]; what a model's attention layers write to.

    `fill` says where the next forward pass (whole prompts) goes, `step` where the next one (one token each) goes.
    """

    def __init__(self, size: int, capacity: int) -> None:
        self.size, self.capacity = size, capacity
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []

    def fill(self, rows: slice, source: Tensor) -> None:
        """The pass is over distinct prompts; slot `rows[i]` takes row `source[i]` of it."""
        self.filling, self.rows, self.source = True, rows, source

    def step(self, columns: Tensor, end: int) -> None:
        """The pass is one token for each of the first slots, written to `columns` [A], read up to column `end`."""
        self.filling, self.columns, self.end = False, columns, end
        self.index = torch.arange(len(columns), device=columns.device)

    def update(self, key: Tensor, value: Tensor, layer: int, *_: Any) -> tuple[Tensor, Tensor]:
        """Called by attention layer `layer` with [B, heads, S, width]; returns what its queries attend to."""
        if layer == len(self.keys):
            shape = (self.size, key.shape[1], self.capacity, key.shape[3])
            self.keys.append(key.new_zeros(shape))
            self.values.append(value.new_zeros(shape))
        keys, values = self.keys[layer], self.values[layer]
        if self.filling:
            keys[self.rows, :, : key.shape[2]] = key[self.source]
            values[self.rows, :, : key.shape[2]] = value[self.source]
            return key, value
        keys[self.index, :, self.columns] = key[:, :, 0]
        values[self.index, :, self.columns] = value[:, :, 0]
        active = len(self.columns)
        return keys[:active, :, : self.end], values[:active, :, : self.end]

    def move(self, source: int, target: int, columns: int) -> None:
        for tensor in (*self.keys, *self.values):
            tensor[target, :, :columns] = tensor[source, :, :columns]


class Slots:
    """Up to `size` requests at once; the first `active` slots are in use."""

    def __init__(
        self, model: PreTrainedModel, prompts: Sequence[Sequence[int]], size: int, limit: int
    ) -> None:
        self.model, self.prompts, self.size, self.limit = model, prompts, size, limit
        self.device = model.device
        self.cache = SlotCache(size, max(map(len, prompts)) + limit)
        self.active = 0
        self.index = np.zeros(size, dtype=np.int64)  # which request a slot serves
        self.length = np.zeros(size, dtype=np.int64)  # columns of the cache in use
        self.count = np.zeros(size, dtype=np.int64)  # tokens drawn
        self.drawn = np.zeros((size, limit), dtype=np.int64)
        self.stream = np.zeros((size, limit))  # one uniform number per position

    def fill(self, requests: Sequence[int], seeds: Sequence[int]) -> tuple[slice, Tensor]:
        """Put waiting requests into free slots; their rows and the logits [rows, V] of their first tokens."""
        rows = slice(self.active, self.active + len(requests))
        prompts = [tuple(self.prompts[request]) for request in requests]
        distinct = {prompt: number for number, prompt in enumerate(dict.fromkeys(prompts))}
        source = torch.tensor([distinct[prompt] for prompt in prompts], device=self.device)
        self.cache.fill(rows, source)
        lengths = torch.tensor([len(prompt) for prompt in distinct], device=self.device)
        width = max(map(len, prompts))
        # Padding stands on the right, where causal attention keeps it away from every real token.
        tokens = torch.tensor(
            [[*prompt, *[0] * (width - len(prompt))] for prompt in distinct], device=self.device
        )
        positions = torch.arange(width, device=self.device)
        hidden = self.model.base_model(
            tokens,
            attention_mask=(positions <= positions[:, None])[None, None],  # [1, 1, width, width], causal
            position_ids=positions[None],
            past_key_values=self.cache,
            use_cache=True,
        ).last_hidden_state
        last = hidden[torch.arange(len(lengths), device=self.device), lengths - 1]
        self.active = rows.stop
        self.index[rows], self.count[rows] = requests, 0
        self.length[rows] = [len(prompt) for prompt in prompts]
        self.stream[rows] = [_uniforms(seed, self.limit) for seed in seeds]
        return rows, self.model.get_output_embeddings()(last)[source]

    def step(self) -> tuple[slice, Tensor]:
        """One forward pass of the last token of every active slot: all rows and their logits [A, V]."""
        rows = slice(0, self.active)
        columns = torch.from_numpy(self.length[rows]).to(self.device)
        end = int(self.length[rows].max()) + 1
        self.cache.step(columns, end)
        tokens = torch.from_numpy(self.drawn[np.arange(self.active), self.count[rows] - 1])[:, None]
        visible = torch.arange(end, device=self.device) <= columns[:, None]
        hidden = self.model.base_model(
            tokens.to(self.device),
            attention_mask=visible[:, None, None, :],  # [A, 1, 1, end]
            position_ids=columns[:, None],
            past_key_values=self.cache,
            use_cache=True,
        ).last_hidden_state
        self.length[rows] += 1
        return rows, self.model.get_output_embeddings()(hidden[:, 0])

    def uniforms(self, rows: slice) -> Tensor:
        """Every row's number for the position it draws next, [rows] in [0, 1)."""
        numbers = self.stream[rows]
        return torch.from_numpy(numbers[np.arange(len(numbers)), self.count[rows]]).to(self.device)

    def append(self, rows: slice, tokens: np.ndarray) -> None:
        self.drawn[np.arange(rows.start, rows.stop), self.count[rows]] = tokens
        self.count[rows] += 1

    def release(self, slot: int) -> None:
        """Free a slot by moving the last active one into it."""
        self.active -= 1
        if slot != self.active:
            self.cache.move(self.active, slot, int(self.length[self.active]))
            for state in (self.index, self.length, self.count, self.drawn, self.stream):
                state[slot] = state[self.active]


def _uniforms(seed: int, count: int) -> np.ndarray:
    """The first `count` numbers of a request's stream; the stream depends on `seed` alone."""
    return np.random.Generator(np.random.Philox(key=seed)).random(count)
