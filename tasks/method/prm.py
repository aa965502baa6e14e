"""The process reward model: R_phi(x, y^(<=m)), read at the last token of line m (section 3.2 of the paper).

    loss = mean over labelled lines of (R_phi(x, y^(<=m)) - label)^2

Neutral lines have target 0, or are left out. Architecture, start and learning rate are open in the paper: a scalar head
on a language model that starts from the SFT policy (or the RL baseline), AdamW with the schedule of SFT, stopped when the
loss on held-out problems no longer falls; the best epoch's weights are kept.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tasks.config import PRMConfig
from tasks.method.engine import Engine, OptimiserSettings, PlainEngine
from tasks.method.logprobs import micro_batches
from tasks.method.sft import epoch_batches, learning_rate
from tasks.method.value_model import ValueModel

WARMUP = 0.1  # share of steps with rising learning rate
BEST_FILE, LOSSES_FILE = "best.safetensors", "losses.json"
TOKENS_AT_ONCE = 16384  # prompt and response tokens, padding included, in one forward pass: bounds memory


@dataclass(frozen=True)
class Example:
    """Token ids of prompt and response; per labelled line the index of its last token, and its target."""

    tokens: tuple[int, ...]
    ends: tuple[int, ...]
    targets: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.tokens)


class LineLoss(nn.Module):
    """Sum of squared errors over lines."""

    def __init__(self, value_model: ValueModel) -> None:
        super().__init__()
        self.value_model = value_model

    def forward(self, tokens: Tensor, mask: Tensor, rows: Tensor, ends: Tensor, targets: Tensor) -> Tensor:
        """tokens, mask [B, S]; rows, ends, targets [lines] -> scalar."""
        return ((self.value_model(tokens, mask)[rows, ends] - targets) ** 2).sum()


@dataclass
class Fit:
    """A fit in progress. `engine` holds a `LineLoss`; losses are means over lines, one per epoch done."""

    engine: Engine
    settings: PRMConfig
    training: list[float] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def start(cls, language_model: Any, settings: PRMConfig) -> Fit:
        """A new fit of a PRM that starts from a copy of `language_model`."""
        loss = LineLoss(ValueModel.from_language_model(language_model))
        return cls(PlainEngine(loss, OptimiserSettings(weight_decay=settings.weight_decay)), settings)

    @property
    def value_model(self) -> ValueModel:
        return self.engine.model.value_model  # type: ignore[return-value]

    @property
    def best_epoch(self) -> int:
        """0-based."""
        return min(range(len(self.held_out)), key=self.held_out.__getitem__)

    @property
    def finished(self) -> bool:
        done = len(self.held_out)
        return done >= self.settings.epochs or (
            done > 0 and done - 1 - self.best_epoch >= self.settings.patience
        )

    def epoch(self, train: Sequence[Example], held_out: Sequence[Example]) -> None:
        """One pass over `train`, then the loss on `held_out`. Raises ArithmeticError if a loss is not finite."""
        number = len(self.held_out)
        batches = epoch_batches(
            [len(one) for one in train], self.settings.batch_size, self.settings.seed, number
        )
        self.value_model.train()
        summed = 0.0
        for index, rows in enumerate(batches):
            step, total = number * len(batches) + index, self.settings.epochs * len(batches)
            rate = learning_rate(step, total, self.settings.learning_rate, WARMUP)
            summed += self._update([train[row] for row in rows], rate)
        self.value_model.eval()
        self.training.append(summed / sum(len(one.ends) for one in train))
        self.held_out.append(mean_loss(self.value_model, held_out))
        if self.best_epoch == number:
            self.best_weights = {k: v.detach().clone() for k, v in self.value_model.state_dict().items()}

    def keep_best(self) -> ValueModel:
        """Put the best epoch's weights back."""
        self.value_model.load_state_dict(self.best_weights)
        return self.value_model.eval()

    def save(self, folder: Path) -> None:
        """Engine, best weights, losses: what `load` goes on from."""
        self.engine.save(folder)
        save_file(self.best_weights, folder / BEST_FILE)
        (folder / LOSSES_FILE).write_text(json.dumps({"training": self.training, "held_out": self.held_out}))

    def load(self, folder: Path) -> None:
        self.engine.load(folder)
        self.best_weights = load_file(folder / BEST_FILE)
        losses = json.loads((folder / LOSSES_FILE).read_text())
        self.training, self.held_out = losses["training"], losses["held_out"]

    def _update(self, batch: Sequence[Example], rate: float) -> float:
        lines = sum(len(one.ends) for one in batch)
        summed = 0.0
        for rows in micro_batches([len(one) for one in batch], TOKENS_AT_ONCE):
            loss = self.engine(*collate([batch[row] for row in rows], self.value_model.head.weight.device))
            self.engine.backward(loss / lines)
            summed += float(loss.detach())
        if not math.isfinite(summed + self.engine.step(rate)):
            raise ArithmeticError(f"prm epoch {len(self.held_out)}: loss or gradient is not finite")
        return summed


def collate(examples: Sequence[Example], device: torch.device) -> tuple[Tensor, ...]:
    """tokens, mask [B, S] padded on the right; rows, ends, targets [lines]: what `LineLoss` takes."""
    tokens, mask = _padded([one.tokens for one in examples], device)
    rows = [row for row, one in enumerate(examples) for _ in one.ends]
    ends = [end for one in examples for end in one.ends]
    targets = [target for one in examples for target in one.targets]
    return (
        tokens,
        mask,
        torch.tensor(rows, device=device),
        torch.tensor(ends, device=device),
        torch.tensor(targets, device=device, dtype=torch.float32),
    )


def score_lines(
    value_model: ValueModel, token_rows: Sequence[Sequence[int]], line_ends: Sequence[Sequence[int]]
) -> list[list[float]]:
    """The score of every line, clamped to [-1, 1]; token_rows are prompts and responses, line_ends index into them.

    A score depends on the tokens up to its line's end alone, whatever follows and whoever is in the batch.
    """
    return [
        [min(1.0, max(-1.0, value)) for value in row] for row in _values(value_model, token_rows, line_ends)
    ]


def mean_loss(value_model: ValueModel, examples: Sequence[Example]) -> float:
    """Mean squared error over the examples' lines."""
    values = _values(value_model, [one.tokens for one in examples], [one.ends for one in examples])
    errors = [
        (value - target) ** 2
        for row, one in zip(values, examples, strict=True)
        for value, target in zip(row, one.targets, strict=True)
    ]
    return sum(errors) / len(errors)


def shuffled_targets(examples: Sequence[Example], seed: int) -> list[Example]:
    """Control: the same lines with targets dealt out at random among all of them."""
    targets = [target for one in examples for target in one.targets]
    random.Random(f"prm/shuffled/{seed}").shuffle(targets)
    dealt = iter(targets)
    return [replace(one, targets=tuple(next(dealt) for _ in one.targets)) for one in examples]


@torch.no_grad()
def _values(
    value_model: ValueModel, token_rows: Sequence[Sequence[int]], line_ends: Sequence[Sequence[int]]
) -> list[list[float]]:
    device = value_model.head.weight.device
    found: list[list[float]] = [[] for _ in token_rows]
    # Nothing behind the last line end is read.
    needed = [row[: max(ends, default=-1) + 1] for row, ends in zip(token_rows, line_ends, strict=True)]
    with_lines = [index for index, row in enumerate(needed) if row]
    for group in micro_batches([len(needed[index]) for index in with_lines], TOKENS_AT_ONCE):
        indices = [with_lines[position] for position in group]
        values = value_model(*_padded([needed[index] for index in indices], device)).cpu()
        for row, index in enumerate(indices):
            found[index] = values[row, list(line_ends[index])].tolist()
    return found


def _padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    width = max(map(len, rows))
    tokens = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for index, row in enumerate(rows):
        tokens[index, : len(row)] = torch.tensor(row)
        mask[index, : len(row)] = 1
    return tokens.to(device), mask.to(device)
