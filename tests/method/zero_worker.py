"""One rank of the DeepSpeed test: `python -m tests.method.zero_worker ZERO_FILE OUT STEPS CHECKPOINT`.

Trains from the start into OUT/whole, then with new engines from CHECKPOINT (a folder named after its step) into OUT/resumed.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import torch

from tasks.method.arms import ARMS
from tests.method.toy import language_model, mixed_batch, trainer

SETTINGS = {"learning_rate": 1e-3, "kl_coefficient": 0.1, "tokens_per_micro_batch": 128}


def line_scores(responses):
    return [[0.3 * m - 0.5 for m in range(len(r.text.splitlines()))] for r in responses]


def make(engine):
    return trainer(
        arm=ARMS["dense"], score_lines=line_scores, engine=engine, reference=language_model(7), **SETTINGS
    )


def main(zero: str, out: str, steps: str, checkpoint: str) -> None:
    from tasks.method.deepspeed_engine import DeepSpeedEngine, start_ranks

    torch.set_num_threads(1)
    start_ranks()
    engine = partial(DeepSpeedEngine, zero=Path(zero))
    train(make(engine), Path(out) / "whole", range(int(steps)))
    resumed, source = make(engine), Path(checkpoint)
    for name in ("policy", "critic"):
        getattr(resumed, name).load(source / name)
    train(resumed, Path(out) / "resumed", range(int(source.name), int(steps)))
    torch.distributed.destroy_process_group()


def train(ppo, folder: Path, numbers: range) -> None:
    """Metrics of every step, and a checkpoint after it in a folder named after the steps done."""
    rank, size = torch.distributed.get_rank(), torch.distributed.get_world_size()
    rows = []
    for number in numbers:
        metrics, _ = ppo.step(mixed_batch()[rank::size], number)
        rows.append(metrics)
        for name in ("policy", "critic"):
            getattr(ppo, name).save(folder / str(number + 1) / name)
    if rank == 0:
        (folder / "metrics.json").write_text(json.dumps(rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
