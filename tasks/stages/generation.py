"""Sample responses and grade them in the sandbox while others are still being sampled."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.problems import Problem
from tasks.sampling.engine import Request, Sampler
from tasks.sampling.models import limit_threads, load_language_model
from tasks.sandbox import Verdict
from tasks.stages.sandboxes import open_sandbox
from tasks.stages.stage import StageContext


@dataclass(frozen=True)
class Ask:
    """One response wanted: `index` counts the responses of a problem; `stream` names its random stream."""

    problem: Problem
    index: int
    stream: str


@dataclass(frozen=True)
class Answer:
    """The response to an ask. `tokens` counts the end-of-text token; `finished`: the model ended by itself."""

    ask: Ask
    text: str
    tokens: int
    finished: bool
    verdict: Verdict


def sampler_for(folder: Path) -> Sampler:
    """A sampler over the checkpoint in `folder`."""
    limit_threads()
    model, tokenizer = load_language_model(folder)
    return Sampler(model, tokenizer)


def stream_seed(name: str) -> int:
    """A 63-bit seed from a name: the same in every process."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


def sample_and_grade(
    sampler: Sampler, asks: Sequence[Ask], temperature: float, max_new_tokens: int, context: StageContext
) -> list[Answer]:
    """Answers in the order of `asks`. Raises TryAgain when SIGTERM comes."""
    requests = [Request(tuple(sampler.encode(ask.problem.prompt)), stream_seed(ask.stream)) for ask in asks]
    open_answers: dict[int, tuple[Any, ...]] = {}
    with open_sandbox(context.config.sandbox) as sandbox:
        for sampled in sampler.sample(requests, temperature=temperature, max_new_tokens=max_new_tokens):
            text = sampler.decode(sampled.tokens)
            handle = sandbox.submit(asks[sampled.index].problem.program(text))
            open_answers[sampled.index] = (text, len(sampled.tokens), sampled.finished, handle)
            context.stop.check()
            context.progress(len(open_answers), len(asks))
        return [
            Answer(ask, text, tokens, finished, handle.result())
            for ask, (text, tokens, finished, handle) in zip(
                asks, (open_answers[index] for index in range(len(asks))), strict=True
            )
        ]
