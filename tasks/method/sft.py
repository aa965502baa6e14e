"""Supervised fine-tuning: likelihood of the demonstrations' response tokens, given their prompts.

Batches hold pairs of similar length, so that little is padding; the learning rate rises linearly and falls along a
cosine. Order and rate depend on the seed and the step alone: a run that goes on from a checkpoint is the same run.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tasks.method.engine import Engine
from tasks.method.ranks import share, total

WINDOW = 32  # batches sorted by length together: larger pads less and mixes less
FINAL_RATE = 0.1  # the cosine ends at this share of the peak


@dataclass(frozen=True)
class Pair:
    """Token ids; `response` ends with the end-of-text token."""

    prompt: tuple[int, ...]
    response: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.response)


class ResponseLikelihood(nn.Module):
    """Sum of negative log-likelihoods of response tokens, and how many there are. The head sees only their positions."""

    def __init__(self, language_model: Any) -> None:
        super().__init__()
        self.language_model = language_model

    def forward(self, tokens: Tensor, is_response: Tensor) -> Tensor:
        """tokens [B, S] padded on the right, is_response [B, S] bool -> scalar sum."""
        model = self.language_model
        hidden = model.base_model(tokens[:, :-1], use_cache=False).last_hidden_state  # [B, S-1, D]
        chosen = is_response[:, 1:]
        logits = model.get_output_embeddings()(hidden[chosen]).float()  # [responses' tokens, V]
        return nn.functional.cross_entropy(logits, tokens[:, 1:][chosen], reduction="sum")


def epoch_batches(lengths: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Indices of one pass over the data, every one once: shuffled, sorted by length within windows, batches shuffled."""
    generator = random.Random(f"sft/{seed}/{epoch}")
    order = list(range(len(lengths)))
    generator.shuffle(order)
    window = WINDOW * batch_size
    batches = []
    for start in range(0, len(order), window):
        part = sorted(order[start : start + window], key=lambda index: lengths[index])
        batches += [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
    generator.shuffle(batches)
    return batches


def collate(pairs: Sequence[Pair], device: torch.device) -> tuple[Tensor, Tensor]:
    """tokens [B, S] padded on the right with 0, is_response [B, S] bool; causal attention needs no mask for that."""
    width = max(map(len, pairs))
    tokens = torch.zeros(len(pairs), width, dtype=torch.long)
    is_response = torch.zeros(len(pairs), width, dtype=torch.bool)
    for row, pair in enumerate(pairs):
        tokens[row, : len(pair)] = torch.tensor([*pair.prompt, *pair.response])
        is_response[row, len(pair.prompt) : len(pair)] = True
    return tokens.to(device), is_response.to(device)


def learning_rate(step: int, total: int, peak: float, warmup: float) -> float:
    """Rate of 0-based `step` of `total`: linear rise over a share `warmup`, then a cosine down to a tenth of `peak`."""
    rising = max(1, round(warmup * total))
    if step < rising:
        return peak * (step + 1) / rising
    progress = (step - rising) / max(1, total - rising)
    return peak * (FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * progress)))


def sft_step(engine: Engine, pairs: Sequence[Pair], rate: float, device: torch.device) -> float:
    """One update on one batch, of which every rank takes its part; the mean loss per response token, nats.

    Raises ArithmeticError if it is not finite.
    """
    mine = pairs[share(len(pairs))]
    tokens, is_response = collate(
        mine or pairs[:1], device
    )  # without a part: along for the collective operations
    weight = bool(mine) / int(total(is_response.sum() * bool(mine)))
    loss = engine(tokens, is_response) * weight
    mean = float(total(loss.detach()))
    if not math.isfinite(mean):
        raise ArithmeticError("loss is not finite")
    engine.backward(loss)
    if not math.isfinite(engine.step(rate)):
        raise ArithmeticError("gradient is not finite")
    return mean
