"""A scalar head on a language model: R_phi(x, prefix) for the PRM, V(x, prefix) for the critic (section 3.2, 3.3).

One number per token; the caller picks the tokens that mean something (line ends, response tokens). The architecture is
our choice, the paper gives none: the language model's own trunk and one linear layer that starts at zero.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel

from tasks.errors import BadInput
from tasks.sampling.models import device, save_weights

HEAD_FILE = "value_head.safetensors"
MARK = "psgpo_value_model"  # in config.json: tells a value model from a plain trunk


class ScalarHead(nn.Linear):
    """Computes in float32 whatever its weights are held in: DeepSpeed turns a whole model to bfloat16."""

    def forward(self, input: Tensor) -> Tensor:
        return nn.functional.linear(input.float(), self.weight.float(), self.bias.float())


class ValueModel(nn.Module):
    """`trunk` is a transformers base model, `head` maps its last hidden state to one number."""

    def __init__(self, trunk: PreTrainedModel) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = ScalarHead(trunk.config.hidden_size, 1, dtype=torch.float32)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.to(trunk.device)

    @classmethod
    def from_language_model(cls, model: Any) -> ValueModel:
        """A value model on a copy of a language model's trunk; it predicts 0 everywhere."""
        return cls(copy.deepcopy(model.base_model))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """input_ids, attention_mask [B, S], padding on either side -> values [B, S] in float32."""
        position_ids = (attention_mask.long().cumsum(-1) - 1).clamp(min=0)
        hidden = self.trunk(
            input_ids, attention_mask=attention_mask, position_ids=position_ids, use_cache=False
        ).last_hidden_state
        return self.head(hidden).squeeze(-1)

    @torch.no_grad()
    def rescale(self, scale: float, shift: float) -> None:
        """From now on predict `scale * value + shift`: exact, because the head is linear."""
        self.head.weight.mul_(scale)
        self.head.bias.mul_(scale).add_(shift)

    def save(self, folder: Path, tokenizer: Any) -> None:
        """Trunk and tokenizer as an ordinary checkpoint, the head beside it; the same weights give the same bytes."""
        save_weights(self.trunk, folder)
        tokenizer.save_pretrained(folder)
        save_file({name: t.contiguous() for name, t in self.head.state_dict().items()}, folder / HEAD_FILE)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, MARK: 1}, indent=2, sort_keys=True))

    @classmethod
    def load(cls, folder: Path) -> ValueModel:
        """What `save` wrote, in eval mode. Raises BadInput when `folder` holds no value model."""
        if not (folder / HEAD_FILE).is_file():
            raise BadInput(str(folder), f"has no {HEAD_FILE}", "a folder written by ValueModel.save")
        trunk = AutoModel.from_pretrained(
            folder, trust_remote_code=False, use_safetensors=True, attn_implementation="sdpa", dtype="auto"
        )
        model = cls(trunk)
        model.head.load_state_dict(load_file(folder / HEAD_FILE))
        return model.to(device()).eval()
