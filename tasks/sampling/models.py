"""Language models as ordinary transformers checkpoints: load, save, and the tiny one made on the spot.

Safetensors only, no code from checkpoints. float32 on a CPU, bfloat16 on a GPU.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)
from transformers.utils import logging as transformers_logging

from tasks.config import TinyModelConfig
from tasks.errors import BadInput

MLP_RATIO = 3  # hidden units of the gated MLP per unit of width
KEY_VALUE_HEADS = 1  # shared by all query heads: reading the cache would be half the cost of a sampled token


def device() -> torch.device:
    """Where this process computes."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def limit_threads(threads: int = 0) -> None:
    """`threads`, else `OMP_NUM_THREADS`, else one per process: more collapse when processes share cores."""
    torch.set_num_threads(threads or int(os.environ.get("OMP_NUM_THREADS", "1")))


def load_language_model(source: Path | str, revision: str = "") -> tuple[PreTrainedModel, Any]:
    """Model in eval mode and tokenizer from a folder or a hub id.

    Raises BadInput when there is no such checkpoint, it has no safetensors weights, or no end-of-text token.
    """
    transformers_logging.disable_progress_bar()
    known: dict[str, Any] = {"revision": revision} if revision else {}
    try:
        tokenizer = _load_tokenizer(source, known)
        model = AutoModelForCausalLM.from_pretrained(
            source,
            trust_remote_code=False,
            use_safetensors=True,
            attn_implementation="sdpa",
            dtype=torch.float32 if device().type == "cpu" else torch.bfloat16,
            **known,
        )
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(
            f"model {str(source)!r}",
            f"cannot be loaded: {reason}",
            "a folder or hub id with safetensors weights",
        ) from error
    if tokenizer.eos_token_id is None:
        raise BadInput(f"model {str(source)!r}", "has a tokenizer without an end-of-text token")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model.to(device()).eval(), tokenizer  # type: ignore[arg-type]


def _load_tokenizer(source: Path | str, known: dict[str, Any]) -> Any:
    """The tokenizer exactly as `tokenizer.json` has it.

    AutoTokenizer would take the class that goes with the model's architecture and put that class's own pre-tokenizer in the
    place of the file's: right for a published Qwen2, wrong for a Qwen2 model with a tokenizer of its own.
    """
    try:
        return PreTrainedTokenizerFast.from_pretrained(source, **known)
    except (OSError, ValueError):
        return AutoTokenizer.from_pretrained(source, trust_remote_code=False, **known)


def save_language_model(model: PreTrainedModel, tokenizer: Any, folder: Path) -> None:
    """Write an ordinary checkpoint; the same weights give the same bytes."""
    save_weights(model, folder)
    model.generation_config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def save_weights(model: PreTrainedModel, folder: Path) -> None:
    """config.json and model.safetensors as `save_pretrained` writes them, which imports DeepSpeed (seconds) to do so."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        tensor.data_ptr(): name for name, tensor in reversed(model.state_dict().items())
    }  # tied: first name
    tensors = {
        name: tensor.contiguous() for name, tensor in model.state_dict().items() if name in weights.values()
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    model.config.architectures = [type(model).__name__]
    model.config.dtype = model.dtype
    model.config.save_pretrained(folder)


def tiny_language_model(shape: TinyModelConfig, tokenizer: Any, seed: int) -> PreTrainedModel:
    """A Qwen2 of random weights with tied embeddings; the same seed gives the same weights."""
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        intermediate_size=MLP_RATIO * shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=KEY_VALUE_HEADS,
        max_position_embeddings=shape.context,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        use_cache=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Qwen2ForCausalLM(config).eval()
