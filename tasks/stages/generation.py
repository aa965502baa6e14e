"""Sample responses and grade them in the sandbox while others are still being sampled."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.problems import Problem
from tasks.sampling.engine import Request, Sampler
from tasks.sampling.models import limit_threads, load_language_model
from tasks.sandbox import Program, Sandbox, Verdict
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


ROWS = 128
"""Responses sampled at once: a small model's pass costs 64 rows little less than 128."""


def sampler_for(folder: Path, stop: Sequence[str] = ()) -> Sampler:
    """A sampler over the checkpoint in `folder`; responses end at the first of `stop`."""
    limit_threads()
    model, tokenizer = load_language_model(folder)
    return Sampler(model, tokenizer, ROWS, stop)


def stream_seed(name: str) -> int:
    """A 63-bit seed from a name: the same in every process."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


@dataclass(frozen=True)
class Manner:
    """How a problem is put to a model, and how its answer becomes a program."""

    prompt: Callable[[Problem], tuple[int, ...]]
    program: Callable[[Problem, str], Program]


def continuing(sampler: Sampler) -> Manner:
    """The response goes on from the problem's prompt: how training asks."""
    return Manner(lambda problem: tuple(sampler.encode(problem.prompt)), Problem.program)


def sample_and_grade(
    sampler: Sampler, asks: Sequence[Ask], temperature: float, max_new_tokens: int, context: StageContext
) -> list[Answer]:
    """Answers in the order of `asks`. Raises TryAgain when SIGTERM comes."""
    with open_sandbox(context.config.sandbox) as sandbox:
        draw = Draw(temperature, max_new_tokens)
        return answers(sampler, asks, continuing(sampler), draw, sandbox, context)


@dataclass(frozen=True)
class Draw:
    """Temperature 0 is greedy."""

    temperature: float
    max_new_tokens: int


def answers(
    sampler: Sampler,
    asks: Sequence[Ask],
    manner: Manner,
    draw: Draw,
    sandbox: Sandbox,
    context: StageContext,
    before: int = 0,
    total: int = 0,
) -> list[Answer]:
    """`sample_and_grade` in a sandbox that is open already; `before` of `total` asks were answered earlier."""
    requests = [Request(manner.prompt(ask.problem), stream_seed(ask.stream)) for ask in asks]
    open_answers: dict[int, tuple[Any, ...]] = {}
    for sampled in sampler.sample(requests, temperature=draw.temperature, max_new_tokens=draw.max_new_tokens):
        text = sampler.decode(sampled.tokens)
        handle = sandbox.submit(manner.program(asks[sampled.index].problem, text))
        open_answers[sampled.index] = (text, len(sampled.tokens), sampled.finished, handle)
        context.stop.check()
        context.progress(before + len(open_answers), total or len(asks))
    return [
        Answer(ask, text, tokens, finished, handle.result())
        for ask, (text, tokens, finished, handle) in zip(
            asks, (open_answers[index] for index in range(len(asks))), strict=True
        )
    ]
