"""Which engine a process uses: plain torch alone on a CPU, DeepSpeed wherever there are more processes or a GPU."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tasks.errors import BadInput
from tasks.method.engine import Engine, OptimiserSettings, PlainEngine

FOLDER = Path(__file__).parents[2] / "infra/deepspeed"


def with_deepspeed() -> bool:
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 or torch.cuda.is_available()


def join() -> None:
    """Meet the other processes of the run and take this one's GPU: to be called before a model is loaded."""
    if with_deepspeed():
        from tasks.method.deepspeed_engine import start_ranks

        start_ranks()


def make_engine(model: nn.Module, settings: OptimiserSettings, zero: int) -> Engine:
    """Raises BadInput when there is no file of settings for ZeRO stage `zero`."""
    if not with_deepspeed():
        return PlainEngine(model, settings)
    from tasks.method.deepspeed_engine import DeepSpeedEngine

    path = FOLDER / f"zero{zero}{'-bf16' if torch.cuda.is_available() else ''}.json"
    if not path.is_file():
        raise BadInput(str(path), "does not exist", "a checkout, or an image with infra/deepspeed")
    return DeepSpeedEngine(model, settings, path)


def to_train(model: Any) -> Any:
    """What an engine may hold of a language model that is also sampled from or saved.

    DeepSpeed may cut the weights up, so it gets a copy, whose weights `Engine.copy_weights` brings back. On a GPU
    activations are computed again on the way back: less memory for about a quarter more work.
    """
    held = copy.deepcopy(model) if with_deepspeed() else model
    if torch.cuda.is_available():
        held.train()  # Qwen2 has no dropout; transformers checkpoints activations in this mode only
        held.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return held
