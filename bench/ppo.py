"""The trainer's speed: `python -m bench ppo [--rounds 5]`.

One whole PPO step (sample, grade, score, update) of a tiny Qwen2 with fixed lengths, one thread, split by phase; sampling
side by side with transformers' `generate` on the same model, prompts and lengths, interleaved, best round of each, in
CPU seconds. Grading here is free: the sandbox has its own figures. The last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from tasks.config import PPOConfig, RewardConfig, TinyModelConfig
from tasks.method.arms import ARMS
from tasks.method.engine import OptimiserSettings, PlainEngine
from tasks.method.logprobs import ResponseLogProbs, micro_batches
from tasks.method.ppo import PPO
from tasks.method.rollout import Response, collect
from tasks.method.value_model import ValueModel
from tasks.problems import Problem
from tasks.sampling.engine import Sampler
from tasks.sampling.models import limit_threads, tiny_language_model
from tasks.sampling.tokenizer import train_tokenizer
from tasks.sandbox.program import CallTests, Program, Verdict
from tasks.sandbox.tests_json import tests_to_json

BATCH, PROMPT_TOKENS, RESPONSE_TOKENS = 16, 128, 128
SHAPE = TinyModelConfig(vocabulary=768, layers=4, width=128, heads=4, context=512)


@dataclass(frozen=True)
class Graded:
    """A verdict that costs nothing; every third passes."""

    passed: bool

    def result(self) -> Verdict:
        return Verdict("passed" if self.passed else "failed", 8 if self.passed else 0, 8, 0.0)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench ppo", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(argv)
    limit_threads()
    tokenizer = train_tokenizer(["x = 1\n    return x\n"], 300, SHAPE.context)
    model = tiny_language_model(SHAPE, tokenizer, 0)
    model.generation_config.eos_token_id = None
    tokenizer.eos_token = None  # nothing ends early: every response has the same length
    sampler = Sampler(model, tokenizer, BATCH)
    trainer, problem = make_trainer(model), make_problem(sampler)
    phases: dict[str, list[float]] = {"generate": [], "score": [], "update": [], "transformers_generate": []}
    for number in range(options.rounds):
        responses, seconds = _timed(lambda n=number: sample(sampler, problem, n))
        phases["generate"].append(seconds)
        (batch, _), seconds = _timed(lambda r=responses: trainer.prepare(r))
        phases["score"].append(seconds)
        _, seconds = _timed(lambda b=batch, n=number: trainer.update(b, n))
        phases["update"].append(seconds)
        _, seconds = _timed(lambda r=responses: transformers_generate(model, r))
        phases["transformers_generate"].append(seconds)
    print(json.dumps(_figures(model, phases, responses)), flush=True)
    return 0


def make_problem(sampler: Sampler) -> Problem:
    tests = tests_to_json(CallTests("f", ()))
    text = sampler.decode(sampler.encode("x = 1\n" * PROMPT_TOKENS)[:PROMPT_TOKENS])
    return Problem("bench", text, "f", tests, None, 1, "train", "bench", "MIT")


def make_trainer(model: Any) -> PPO:
    settings = PPOConfig(batch_size=BATCH, max_new_tokens=RESPONSE_TOKENS)
    return PPO(
        policy=PlainEngine(ResponseLogProbs(model, 1.0), OptimiserSettings()),
        critic=PlainEngine(ValueModel.from_language_model(model), OptimiserSettings()),
        reference=ResponseLogProbs(copy.deepcopy(model).requires_grad_(False), 1.0),
        score_lines=None,
        arm=ARMS["rl"],
        settings=settings,
        reward=RewardConfig(),
        device=model.device,
        seed=0,
    )


def sample(sampler: Sampler, problem: Problem, number: int) -> list[Response]:
    counter = iter(range(BATCH))

    def submit(_: Program) -> Graded:
        return Graded(next(counter) % 3 == 0)

    asks = [(problem, f"{number}/{i}", 1000 * number + i) for i in range(BATCH)]
    return collect(sampler, asks, submit, 1.0, RESPONSE_TOKENS)[0]


@torch.no_grad()
def transformers_generate(model: Any, responses: list[Response]) -> None:
    prompts = torch.tensor([response.prompt for response in responses])
    model.generate(
        prompts,
        attention_mask=torch.ones_like(prompts),
        do_sample=True,
        top_k=0,
        min_new_tokens=RESPONSE_TOKENS,
        max_new_tokens=RESPONSE_TOKENS,
        pad_token_id=0,
    )


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """CPU seconds: with one thread the same as wall seconds on an idle machine, and steadier on a busy one."""
    started = time.process_time()
    result = work()
    return result, time.process_time() - started


def _figures(model: Any, phases: dict[str, list[float]], responses: list[Response]) -> dict[str, Any]:
    best = {name: min(seconds) for name, seconds in phases.items()}
    tokens = sum(len(response.tokens) for response in responses)
    step = best["generate"] + best["score"] + best["update"]
    lengths = [len(response.prompt) + len(response.tokens) for response in responses]
    groups = micro_batches(lengths, PPOConfig().tokens_per_micro_batch)
    padded = sum(len(group) * max(lengths[i] for i in group) for group in groups)
    return {
        "bench": "ppo",
        "parameters": model.num_parameters(),
        "batch": BATCH,
        "prompt_tokens": PROMPT_TOKENS,
        "response_tokens": tokens // BATCH,
        "step_tokens_per_second": round(tokens / step),
        "share_of_step": {name: round(best[name] / step, 3) for name in ("generate", "score", "update")},
        "padding_share": round(1 - sum(lengths) / padded, 3),
        "sampling_tokens_per_second": round(tokens / best["generate"]),
        "transformers_tokens_per_second": round(tokens / best["transformers_generate"]),
        "ratio": round(best["transformers_generate"] / best["generate"], 2),
    }


if __name__ == "__main__":
    raise SystemExit(main())
