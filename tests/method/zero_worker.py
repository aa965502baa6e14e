"""One rank of the DeepSpeed test: `python -m tests.method.zero_worker ZERO_FILE OUT STEPS [RESUME_FROM]`."""

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


def main(zero: str, out: str, steps: str, resume: str = "") -> None:
    from tasks.method.deepspeed_engine import DeepSpeedEngine, start_ranks

    torch.set_num_threads(1)
    start_ranks()
    ppo = make(partial(DeepSpeedEngine, zero=Path(zero)))
    rank, size = torch.distributed.get_rank(), torch.distributed.get_world_size()
    first = 0
    if resume:
        first = int(Path(resume).name)
        ppo.policy.load(Path(resume) / "policy")
        ppo.critic.load(Path(resume) / "critic")
    rows = []
    for number in range(first, int(steps)):
        metrics, _ = ppo.step(mixed_batch()[rank::size], number)
        rows.append(metrics)
        for name in ("policy", "critic"):
            getattr(ppo, name).save(Path(out) / str(number + 1) / name)
    if rank == 0:
        (Path(out) / "metrics.json").write_text(json.dumps(rows))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
