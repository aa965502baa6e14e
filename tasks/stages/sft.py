"""Supervised fine-tuning of the base model on the demonstrations.

in: problems (prompts and demonstrations), model      out: a transformers checkpoint, the SFT policy
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.config import SFTConfig
from tasks.errors import BadInput
from tasks.problems import read_problems
from tasks.rows import DEMONSTRATIONS, read_rows
from tasks.stages.stage import Stage, StageContext

if TYPE_CHECKING:
    from tasks.method.sft import Pair


def run(context: StageContext) -> Mapping[str, float]:
    from tasks.method.engine import OptimiserSettings
    from tasks.method.engines import join, make_engine, to_train
    from tasks.method.ranks import any_rank
    from tasks.method.sft import ResponseLikelihood, epoch_batches, learning_rate, sft_step
    from tasks.sampling.models import limit_threads, load_language_model, save_language_model

    settings: SFTConfig = context.config.sft
    limit_threads(settings.threads)
    join()
    model, tokenizer = load_language_model(context.input("model").path)
    pairs = _pairs(context.input("problems").path, tokenizer, model.config.max_position_embeddings)
    lengths = [len(pair) for pair in pairs]
    optimiser = OptimiserSettings(weight_decay=settings.weight_decay)
    engine = make_engine(ResponseLikelihood(to_train(model.train())), optimiser, context.resources.zero)
    per_epoch = -(-len(pairs) // settings.batch_size)
    total = per_epoch * settings.epochs
    step, losses = _resume(context, engine)
    started, tokens, batches = time.monotonic(), 0, []
    first = step
    while step < total:
        if step == first or step % per_epoch == 0:
            batches = epoch_batches(lengths, settings.batch_size, settings.seed, step // per_epoch)
        batch = [pairs[index] for index in batches[step % per_epoch]]
        rate = learning_rate(step, total, settings.learning_rate, settings.warmup)
        try:
            losses.append(sft_step(engine, batch, rate, model.device))
        except ArithmeticError as error:
            raise ArithmeticError(f"sft step {step} of {total}, phase update: {error}") from error
        tokens += sum(map(len, batch))
        step += 1
        save = _saver(context, engine, step, losses)
        if step % settings.checkpoint_every == 0:
            save()
        context.stop.requested = any_rank(context.stop.requested)
        context.stop.check(save)
        if step % per_epoch == 0:
            context.tracker.log(
                {"sft/loss": sum(losses[-per_epoch:]) / per_epoch, "sft/learning_rate": rate}, step
            )
        context.progress(step, total, f"loss {losses[-1]:.3f}")
    engine.copy_weights(model)
    save_language_model(model.eval(), tokenizer, context.output)
    rate_of_tokens = tokens / max(time.monotonic() - started, 1e-9)
    return {"loss": sum(losses[-per_epoch:]) / per_epoch, "tokens_per_second": round(rate_of_tokens)}


def _pairs(folder: Path, tokenizer: Any, context_length: int) -> list[Pair]:
    """Every demonstration with its problem's prompt. Raises BadInput when one does not fit the model's context."""
    from tasks.method.sft import Pair

    prompts = {
        problem.problem_id: tuple(tokenizer.encode(problem.prompt, add_special_tokens=False))
        for problem in read_problems(folder)
    }
    pairs = []
    for number, row in enumerate(read_rows(DEMONSTRATIONS, folder / "demonstrations.parquet")):
        if row["problem_id"] not in prompts:
            raise BadInput(f"demonstrations row {number}", f"problem {row['problem_id']!r} is unknown")
        response = (*tokenizer.encode(row["text"], add_special_tokens=False), tokenizer.eos_token_id)
        pair = Pair(prompts[row["problem_id"]], response)
        if len(pair) > context_length:
            raise BadInput(
                f"demonstrations row {number} ({row['problem_id']})",
                f"has {len(pair)} tokens",
                f"at most {context_length}, the model's context",
            )
        pairs.append(pair)
    return pairs


def _resume(context: StageContext, engine: Any) -> tuple[int, list[float]]:
    latest = context.checkpoints.latest()
    if latest is None:
        return 0, []
    step, folder = latest
    engine.load(folder)
    return step, json.loads((folder / "state.json").read_text())["losses"]


def _saver(context: StageContext, engine: Any, step: int, losses: Sequence[float]) -> Any:
    def write(folder: Path) -> None:
        engine.save(folder)
        (folder / "state.json").write_text(json.dumps({"losses": list(losses)}))

    return lambda: context.checkpoints.save(step, write)


STAGE = Stage(
    name="sft",
    kind="model",
    version=1,
    sections=("sft",),
    inputs={"problems": "problems", "model": "model"},
    run=run,
    distributed=True,
)
