"""The engine over DeepSpeed: ZeRO 1, 2 or 3 from a file in `infra/deepspeed`, one process per device.

Losses are divided by the tokens of all ranks (`ppo.py`), so gradients are to be summed, and DeepSpeed averages them: a
loss is multiplied by the number of ranks before its backward pass. Accumulation is ours, the reduction happens in `step`.
Importing this file imports DeepSpeed, which takes seconds; a single process on a CPU never does.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import deepspeed
import torch
from deepspeed.utils import (
    safe_get_full_fp32_param,
    safe_get_full_optimizer_state,
    safe_set_full_fp32_param,
    safe_set_full_optimizer_state,
    safe_set_local_fp32_param,
    safe_set_local_optimizer_state,
)
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tasks.launch import free_port
from tasks.method.engine import MOMENTS, OPTIMISER_FILE, WEIGHTS_FILE, OptimiserSettings, parameter_groups
from tasks.method.ranks import ranks


def start_ranks() -> None:
    """Join the run that `torchrun` (or the deepspeed launcher) started; alone, a run of one process."""
    alone = {
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
    }
    for name, value in alone.items():
        os.environ.setdefault(name, value)
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    # DeepSpeed would compile this collective on the spot: images have no compiler, and a process killed in the middle
    # leaves a lock file for which every later one waits without end
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(dist_backend="nccl" if torch.cuda.is_available() else "gloo", verbose=False)


class DeepSpeedEngine:
    """`zero`: a file of DeepSpeed settings; batch sizes, optimiser and clipping are filled in here."""

    def __init__(self, model: nn.Module, settings: OptimiserSettings, zero: Path) -> None:
        config: dict[str, Any] = {
            **json.loads(zero.read_text(encoding="utf-8")),
            "train_micro_batch_size_per_gpu": 1,  # micro-batches are formed by tokens; DeepSpeed only counts them
            "gradient_accumulation_steps": 1,
            "managed_gradient_accumulation": False,
            "gradient_clipping": settings.max_gradient_norm,
            "steps_per_print": 1 << 30,
        }
        optimiser = torch.optim.AdamW(
            parameter_groups(model, settings.weight_decay), lr=0.0, betas=settings.betas
        )
        self.model = model
        self.engine, *_ = deepspeed.initialize(model=model, optimizer=optimiser, config=config)
        self.taken = 0
        self._start_moments()

    def __call__(self, *arguments: Any) -> Any:
        return self.engine(*arguments)

    def backward(self, loss: Tensor) -> None:
        self.engine.backward(loss * ranks())

    def step(self, learning_rate: float) -> float:
        for group in self.engine.optimizer.param_groups:
            group["lr"] = learning_rate
        self.engine.step()
        self.taken += 1
        return float(self.engine.get_global_grad_norm() or 0.0)

    @torch.no_grad()
    def copy_weights(self, target: nn.Module) -> None:
        """Collective: under ZeRO-3 every parameter is gathered, one at a time."""
        for mine, theirs in zip(self.model.parameters(), target.parameters(), strict=True):
            with deepspeed.zero.GatheredParameters([mine]):
                theirs.copy_(mine)

    def save(self, folder: Path) -> None:
        """Collective: every rank gathers, rank 0 writes."""
        weights: dict[str, Tensor] = {}
        moments: dict[str, Tensor] = {}
        for name, parameter in self.model.named_parameters():
            weights[name] = _copy(safe_get_full_fp32_param(parameter))
            moments[f"{name}/step"] = torch.tensor(float(self.taken))
            for key in MOMENTS:
                moments[f"{name}/{key}"] = _copy(safe_get_full_optimizer_state(parameter, key))
        if self.engine.global_rank == 0:
            folder.mkdir(parents=True, exist_ok=True)
            save_file(weights, folder / WEIGHTS_FILE)
            save_file(moments, folder / OPTIMISER_FILE)

    def load(self, folder: Path) -> None:
        weights, moments = load_file(folder / WEIGHTS_FILE), load_file(folder / OPTIMISER_FILE)
        for name, parameter in self.model.named_parameters():
            self.taken = int(moments.get(f"{name}/step", torch.tensor(0.0)))
            for key in MOMENTS if self.taken else ():
                _set(parameter, moments[f"{name}/{key}"], key)
            _set(parameter, weights[name])
            with deepspeed.zero.GatheredParameters([parameter], modifier_rank=0), torch.no_grad():
                parameter.copy_(
                    weights[name]
                )  # what the forward pass uses; under ZeRO-3 gathered for the purpose
        for flat in self._flat_parameters():
            self._adam.state[flat]["step"].fill_(float(self.taken))

    @property
    def _adam(self) -> torch.optim.Optimizer:
        return self.engine.optimizer.optimizer

    def _flat_parameters(self) -> list[Tensor]:
        """This rank's parts of the float32 weights, which the optimiser works on."""
        zero = self.engine.optimizer
        parts = getattr(zero, "single_partition_of_fp32_groups", None)
        return list(parts if parts is not None else zero.fp32_partitioned_groups_flat)

    def _start_moments(self) -> None:
        """Create Adam's state now. DeepSpeed links it to the parameters after the first group's first step, when the
        other groups have none yet; and a checkpoint may be loaded before any step.
        """
        for flat in self._flat_parameters():
            self._adam.state[flat] = {key: torch.zeros_like(flat) for key in MOMENTS}
            self._adam.state[flat]["step"] = torch.tensor(0.0)
        link = getattr(self.engine.optimizer, "_lazy_init_hp_params_optimizer_state", None)
        if link is not None:  # ZeRO-1 and 2
            link()


def _set(parameter: nn.Parameter, value: Tensor, moment: str = "") -> None:
    """Set a parameter's float32 weight or one of its moments from the full tensor, on every rank.

    Under ZeRO-3 a rank's part is cut out here: DeepSpeed's own cut fails where a size does not divide by the ranks.
    """
    if not hasattr(parameter, "ds_id"):
        if moment:
            safe_set_full_optimizer_state(parameter, value, moment)
        else:
            safe_set_full_fp32_param(parameter, value)
        return
    size, rank = parameter.ds_tensor.ds_numel, torch.distributed.get_rank()  # type: ignore[attr-defined]
    padded = nn.functional.pad(value.flatten(), (0, size * ranks() - value.numel()))
    part = padded[rank * size : (rank + 1) * size]
    if moment:
        safe_set_local_optimizer_state(parameter, part, moment)
    else:
        safe_set_local_fp32_param(parameter, part)


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().float().cpu().contiguous().clone()
