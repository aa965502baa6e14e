"""Log-probabilities of response tokens, without ever holding logits of a whole batch.

The head is applied to response positions only, a chunk of them at a time; where gradients are wanted and there is more
than one chunk, a chunk's logits are computed again on the way back. Memory is linear in the tokens of a micro-batch and
does not depend on the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

CHUNK = 4096  # positions whose logits exist at the same time


class ResponseLogProbs(nn.Module):
    """A language model seen as a policy: what probability did it give the tokens that were chosen?"""

    def __init__(self, language_model: Any, temperature: float) -> None:
        super().__init__()
        self.language_model, self.temperature = language_model, temperature

    def forward(self, tokens: Tensor, is_response: Tensor) -> tuple[Tensor, Tensor]:
        """tokens, is_response [B, S], padded on the right -> log-probabilities and entropies, [response tokens] each.

        Row-major order, float32, at the sampling temperature.
        """
        model = self.language_model
        hidden = model.base_model(tokens[:, :-1], use_cache=False).last_hidden_state  # [B, S-1, D]
        chosen = is_response[:, 1:]
        states, targets = hidden[chosen], tokens[:, 1:][chosen]  # [N, D], [N]
        parts = [
            self._chunk(s, t, len(states))
            for s, t in zip(states.split(CHUNK), targets.split(CHUNK), strict=True)
        ]
        return torch.cat([logp for logp, _ in parts]), torch.cat([entropy for _, entropy in parts])

    def _chunk(self, states: Tensor, targets: Tensor, total: int) -> tuple[Tensor, Tensor]:
        head = self.language_model.get_output_embeddings()
        if torch.is_grad_enabled() and total > CHUNK:
            return checkpoint(_chosen, head, states, targets, self.temperature, use_reentrant=False)
        return _chosen(head, states, targets, self.temperature)


def _chosen(head: nn.Module, states: Tensor, targets: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """states [N, D], targets [N] -> log-probability of the target and entropy of the distribution, [N] each."""
    logp = torch.log_softmax(head(states).float() / temperature, -1)  # [N, V]
    with torch.no_grad():
        entropy = -(logp.exp() * logp).sum(-1)
    return logp.gather(-1, targets[:, None])[:, 0], entropy


def micro_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices grouped so that rows x longest row stays within `budget` tokens; a row alone may exceed it.

    Rows of similar length stand together, longest first, so that little is padding.
    """
    groups: list[list[int]] = []
    width = 0
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if not groups or (len(groups[-1]) + 1) * width > budget:
            groups.append([])
            width = lengths[index]
        groups[-1].append(index)
    return groups
