"""The trainer's speed and memory: `python -m bench ppo [--rounds 5] [--peers FOLDER]`.

One whole PPO step (sample, grade, score with policy, reference, critic and PRM, update) of a tiny Qwen2 with fixed
lengths, one thread, split by phase; sampling side by side with transformers' `generate`. With `--peers`, steps of TRL's
PPO and GRPO trainers on the same model, batch and lengths stand between ours (TRL is installed into FOLDER, an environment
of its own). CPU seconds, the best round of each: the same as wall seconds on an idle machine, and steadier on a busy one.
Grading costs nothing in these steps; what of it is hidden behind sampling is measured apart (`overlap`), as are padding
and peak memory. The last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from bench import hack
from bench.ppo_peers import Peer, environment
from tasks.config import PPOConfig, RewardConfig, SandboxConfig, TinyModelConfig
from tasks.method.arms import ARMS
from tasks.method.engine import OptimiserSettings, PlainEngine
from tasks.method.lines import line_end_tokens
from tasks.method.logprobs import ResponseLogProbs, micro_batches
from tasks.method.ppo import PPO
from tasks.method.prm import score_lines
from tasks.method.rollout import Response, collect
from tasks.method.value_model import ValueModel
from tasks.problems import Problem
from tasks.sampling.engine import Sampler
from tasks.sampling.models import limit_threads, save_language_model, tiny_language_model
from tasks.sampling.tokenizer import train_tokenizer
from tasks.sandbox.program import CallTests, Case, Program, Verdict
from tasks.sandbox.tests_json import tests_to_json
from tasks.stages.sandboxes import open_sandbox

BATCH, PROMPT_TOKENS, RESPONSE_TOKENS = 16, 128, 128
SHAPE = TinyModelConfig(vocabulary=300, layers=8, width=128, heads=4, context=512)
SOLUTION = "def f(n):\n    return sum(i * i for i in range(n))\n"


@dataclass(frozen=True)
class Graded:
    """A verdict that costs nothing; every third passes."""

    passed: bool

    def result(self) -> Verdict:
        return Verdict("passed" if self.passed else "failed", 8 if self.passed else 0, 8, 0.0)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench ppo", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", type=Path, help="folder of the environment with TRL; made when absent")
    options = parser.parse_args(argv)
    limit_threads()
    model, tokenizer = make_model()
    with ExitStack() as stack:
        seconds = time_steps(
            model, tokenizer, options.rounds, start_peers(options.peers, model, tokenizer, stack)
        )
    figures = {"bench": "ppo", "parameters": model.num_parameters(), "batch": BATCH}
    figures |= {"prompt_tokens": PROMPT_TOKENS, "response_tokens": RESPONSE_TOKENS, **speed(seconds)}
    print(json.dumps(figures | overlap() | {"peak_memory_mb": memory(model, tokenizer)}), flush=True)
    return 0


def make_model() -> tuple[Any, Any]:
    """A tiny Qwen2 whose responses never end early, so that all have the same length."""
    tokenizer = train_tokenizer(["x = 1\n    return x\n"], SHAPE.vocabulary, SHAPE.context)
    model = tiny_language_model(SHAPE, tokenizer, 0)
    model.generation_config.eos_token_id = None
    return model, tokenizer


def start_peers(folder: Path | None, model: Any, tokenizer: Any, stack: ExitStack) -> dict[str, Peer]:
    if folder is None:
        return {}
    python = environment(folder)
    checkpoint = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="psgpo-bench-")))
    save_language_model(model, tokenizer, checkpoint)
    shape = {"batch": BATCH, "prompt": PROMPT_TOKENS, "response": RESPONSE_TOKENS}
    peers = {}
    for kind in ("ppo", "grpo"):
        peers[f"trl_{kind}"] = peer = Peer(python, kind, checkpoint, shape)
        stack.callback(peer.close)
    return peers


def time_steps(model: Any, tokenizer: Any, rounds: int, peers: dict[str, Peer]) -> dict[str, list[float]]:
    """Seconds per phase, of `generate` and of the peers' steps, round by round; a first round of each is not counted."""
    tokenizer.eos_token = None
    sampler, trainer = Sampler(model, tokenizer, BATCH), make_trainer(model)
    problem = make_problem(sampler, PROMPT_TOKENS)
    seconds: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        responses, taken = _timed(lambda n=number: sample(sampler, [problem] * BATCH, RESPONSE_TOKENS, n))
        now = {"generate": taken}
        (batch, _), now["score"] = _timed(lambda r=responses: trainer.prepare(r))
        _, now["update"] = _timed(lambda b=batch, n=number: trainer.update(b, n))
        now["step"] = sum(now.values())
        _, now["transformers_generate"] = _timed(lambda r=responses: transformers_generate(model, r))
        _, now["floor_score"] = _timed(lambda r=responses: bare_passes(model, r, 4, learning=False))
        _, now["floor_update"] = _timed(lambda r=responses: bare_passes(model, r, 2, learning=True))
        now |= {name: peer.step() for name, peer in peers.items()}
        for name, value in now.items() if number else ():
            seconds.setdefault(name, []).append(value)
    return seconds


def speed(seconds: dict[str, list[float]]) -> dict[str, Any]:
    best = {name: min(values) for name, values in seconds.items()}
    tokens = BATCH * RESPONSE_TOKENS
    figures: dict[str, Any] = {
        "step_tokens_per_second": round(tokens / best["step"]),
        "spread": round(max(seconds["step"]) / best["step"], 2),
        "share_of_step": {
            name: round(best[name] / best["step"], 3) for name in ("generate", "score", "update")
        },
        "bare_passes_share": {
            name: round(best[f"floor_{name}"] / best[name], 3) for name in ("score", "update")
        },
        "sampling_tokens_per_second": round(tokens / best["generate"]),
        "transformers_tokens_per_second": round(tokens / best["transformers_generate"]),
        "sampling_ratio": round(best["transformers_generate"] / best["generate"], 2),
    }
    for name in ("trl_ppo", "trl_grpo"):
        if name in best:
            figures[f"{name}_tokens_per_second"] = round(tokens / best[name])
            figures[f"ratio_to_{name}"] = round(best[name] / best["step"], 2)
            pairs = zip(seconds[name], seconds["step"], strict=True)
            figures[f"median_ratio_to_{name}"] = round(statistics.median(p / s for p, s in pairs), 2)
    return figures


def overlap() -> dict[str, Any]:
    """How much sandbox time hides behind sampling, and padding, both with responses of natural lengths.

    96 responses in 32 slots, so that slots are refilled; the programs take about 10 ms each, one sandbox worker.
    """
    model, tokenizer = hack.sft_policy()
    sampler = Sampler(model, tokenizer, 32)
    problem = make_problem(sampler, 16)
    heavy = Problem(
        "heavy", "", "f", tests_to_json(CallTests("f", (Case((50_000,), 0),))), None, 1, "train", "", ""
    )
    program = heavy.program(SOLUTION)
    with open_sandbox(SandboxConfig()) as sandbox:
        started = time.monotonic()
        for pending in [sandbox.submit(_other(program, -n)) for n in range(96)]:
            pending.result()
        alone = time.monotonic() - started
        counter = iter(range(10**6))
        asks = [(problem, f"{i}", i) for i in range(96)]
        responses, timing = collect(
            sampler, asks, lambda _: sandbox.submit(_other(program, next(counter))), 1.0, 48
        )
    lengths = [len(response.prompt) + len(response.tokens) for response in responses]
    groups = micro_batches(lengths, PPOConfig().tokens_per_micro_batch)
    padded = sum(len(group) * max(lengths[i] for i in group) for group in groups)
    return {
        "overlap": {
            "programs": len(responses),
            "sampling_seconds": round(timing.generate, 2),
            "sandbox_seconds_alone": round(alone, 2),
            "waited_seconds": round(timing.wait, 2),
            "hidden_share": round(1 - timing.wait / alone, 3),
        },
        "padding_share": round(1 - sum(lengths) / padded, 3),
    }


def _other(program: Program, number: int) -> Program:
    """The same work under another text: the sandbox runs equal programs once."""
    return replace(program, code=f"{program.code}# {number}\n")


def memory(model: Any, tokenizer: Any) -> dict[str, dict[str, float]]:
    """MB that scoring and updating add at their peak: by micro-batch tokens at one batch, and by batch at one budget."""

    def peak(batch: int, budget: int) -> float:
        responses = random_responses(tokenizer, batch)
        return peak_of(
            lambda: make_trainer(copy.deepcopy(model), tokens_per_micro_batch=budget).step(responses, 0)
        )

    return {
        "by_tokens_per_micro_batch_at_batch_64": {str(n): peak(64, n) for n in (1024, 2048, 4096, 8192)},
        "by_batch_at_2048_tokens": {str(n): peak(n, 2048) for n in (16, 32, 64, 128)},
    }


def peak_of(work: Callable[[], Any]) -> float:
    """How far the memory of a child process that does `work` rises above its start, MB."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
        before = _status("VmRSS")
        work()
        os.write(writer, f"{_status('VmHWM') - before}".encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        found = answer.read()
    os.waitpid(child, 0)
    return round(float(found) / 1024, 1)


def _status(name: str) -> int:
    """A figure of this process in kB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise ValueError(f"/proc/self/status has no {name}")


def random_responses(tokenizer: Any, count: int) -> list[Response]:
    """Graded responses of random tokens, 64 to 128 of them."""
    sampler = Sampler(tiny_language_model(SHAPE, tokenizer, 1), tokenizer)
    problem, draw = make_problem(sampler, PROMPT_TOKENS), random.Random(0)
    prompt = tuple(sampler.encode(problem.prompt))
    responses = []
    for number in range(count):
        tokens = tuple(draw.randrange(20, 200) for _ in range(draw.randint(64, RESPONSE_TOKENS)))
        verdict, pieces = Graded(number % 3 == 0).result(), tuple(sampler.pieces(tokens))
        responses.append(
            Response(f"{number}", problem, prompt, tokens, pieces, True, sampler.decode(tokens), verdict)
        )
    return responses


def make_problem(sampler: Sampler, tokens: int) -> Problem:
    tests = tests_to_json(CallTests("f", ()))
    text = sampler.decode(sampler.encode("x = 1\n" * tokens)[:tokens])
    return Problem("bench", text, "f", tests, None, 1, "train", "bench", "MIT")


def make_trainer(model: Any, **more: Any) -> PPO:
    settings = PPOConfig(batch_size=BATCH, max_new_tokens=RESPONSE_TOKENS, **more)
    prm = ValueModel.from_language_model(model)

    def score(responses: Sequence[Response]) -> list[list[float]]:
        rows = [[*response.prompt, *response.tokens] for response in responses]
        return score_lines(
            prm, rows, [[len(r.prompt) + end for end in line_end_tokens(r.pieces)] for r in responses]
        )

    return PPO(
        policy=PlainEngine(ResponseLogProbs(model, 1.0), OptimiserSettings()),
        critic=PlainEngine(ValueModel.from_language_model(model), OptimiserSettings()),
        reference=ResponseLogProbs(copy.deepcopy(model).requires_grad_(False), 1.0),
        score_lines=score,
        arm=ARMS["dense"],
        settings=settings,
        reward=RewardConfig(),
        device=model.device,
        seed=0,
    )


def sample(sampler: Sampler, problems: Sequence[Problem], tokens: int, number: int) -> list[Response]:
    counter = iter(range(len(problems)))

    def submit(_: Program) -> Graded:
        return Graded(next(counter) % 3 == 0)

    asks = [(problem, f"{number}/{i}", 1000 * number + i) for i, problem in enumerate(problems)]
    return collect(sampler, asks, submit, 1.0, tokens)[0]


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


def bare_passes(model: Any, responses: Sequence[Response], count: int, learning: bool) -> None:
    """What no trainer can do without: passes of the trunk alone over all tokens, in micro-batches like the trainer's.

    Scoring takes four (policy, reference, critic, PRM), an update two with their way back (policy, critic).
    """
    rows = [[*response.prompt, *response.tokens[:-1]] for response in responses]
    groups = micro_batches([len(row) + 1 for row in rows], PPOConfig().tokens_per_micro_batch)
    with torch.set_grad_enabled(learning):
        for _ in range(count):
            for group in groups:
                tokens = torch.tensor([rows[index] for index in group])
                hidden = model.base_model(tokens, use_cache=False).last_hidden_state
                if learning:
                    hidden.sum().backward()
            model.zero_grad(set_to_none=True)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    result = work()
    return result, time.process_time() - started


if __name__ == "__main__":
    raise SystemExit(main())
