"""What turns a loss into a new model: one interface over plain torch and DeepSpeed.

The algorithms (`sft.py`, `ppo.py`, `prm.py`) call an engine like the model it holds, hand it losses, and ask for a
step; they do not know whether one process or eight hold the optimiser's state. Checkpoints of both engines have one
format: full tensors in safetensors files, so that a run may go on with another number of processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

MOMENTS = ("exp_avg", "exp_avg_sq")
WEIGHTS_FILE, OPTIMISER_FILE = "weights.safetensors", "optimiser.safetensors"


@dataclass(frozen=True)
class OptimiserSettings:
    """AdamW. `max_gradient_norm` clips the whole gradient; decay spares vectors (norms and biases)."""

    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.95)
    max_gradient_norm: float = 1.0


class Engine(Protocol):
    """Call it like the model; `backward` adds up gradients until `step` uses them."""

    model: nn.Module

    def __call__(self, *arguments: Any) -> Any: ...

    def backward(self, loss: Tensor) -> None:
        """Add this loss's gradient."""

    def step(self, learning_rate: float) -> float:
        """Clip, update, clear; the gradient's norm before clipping. A norm that is not finite changes nothing."""

    def copy_weights(self, target: nn.Module) -> None:
        """Give `target`, which has the same parameters in the same order, the current weights."""

    def save(self, folder: Path) -> None:
        """Weights and optimiser state as full tensors."""

    def load(self, folder: Path) -> None:
        """Go on from what `save` wrote."""


class PlainEngine:
    """One process, plain torch."""

    def __init__(self, model: nn.Module, settings: OptimiserSettings) -> None:
        self.model, self.settings = model, settings
        self.optimiser = torch.optim.AdamW(
            parameter_groups(model, settings.weight_decay), lr=0.0, betas=settings.betas, fused=True
        )

    def __call__(self, *arguments: Any) -> Any:
        return self.model(*arguments)

    def backward(self, loss: Tensor) -> None:
        loss.backward()

    def step(self, learning_rate: float) -> float:
        norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.max_gradient_norm))
        if norm < float("inf"):  # false for NaN too
            for group in self.optimiser.param_groups:
                group["lr"] = learning_rate
            self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return norm

    @torch.no_grad()
    def copy_weights(self, target: nn.Module) -> None:
        for mine, theirs in zip(self.model.parameters(), target.parameters(), strict=True):
            if mine is not theirs:
                theirs.copy_(mine)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        weights, moments = {}, {}
        for name, parameter in self.model.named_parameters():
            weights[name] = parameter.detach().contiguous()
            state = self.optimiser.state.get(parameter, {})
            moments.update({f"{name}/{key}": state[key] for key in (*MOMENTS, "step") if key in state})
        save_file(weights, folder / WEIGHTS_FILE)
        save_file(moments, folder / OPTIMISER_FILE)

    def load(self, folder: Path) -> None:
        weights, moments = load_file(folder / WEIGHTS_FILE), load_file(folder / OPTIMISER_FILE)
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(weights[name])
                if f"{name}/step" in moments:
                    self.optimiser.state[parameter] = {
                        key: moments[f"{name}/{key}"].to(parameter.device) for key in (*MOMENTS, "step")
                    }


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices with weight decay, vectors without."""
    return [
        {"params": list(_with_dimensions(model, matrices=True)), "weight_decay": weight_decay},
        {"params": list(_with_dimensions(model, matrices=False)), "weight_decay": 0.0},
    ]


def _with_dimensions(model: nn.Module, *, matrices: bool) -> Iterator[nn.Parameter]:
    return (p for p in model.parameters() if p.requires_grad and (p.ndim >= 2) == matrices)
