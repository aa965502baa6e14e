"""Rollouts: sample one response per ask and have it graded while the others are still being sampled."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tasks.problems import Problem
from tasks.sampling.engine import Request, Sampler
from tasks.sandbox.program import Program, Verdict


class Pending(Protocol):
    """A program on its way through the sandbox."""

    def result(self) -> Verdict: ...


@dataclass(frozen=True)
class Response:
    """One graded response. `name` is its random stream; `pieces` are the bytes of its tokens, end-of-text empty."""

    name: str
    problem: Problem
    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    pieces: tuple[bytes, ...]
    finished: bool
    text: str
    verdict: Verdict

    @property
    def judged(self) -> bool:
        """False when the infrastructure failed: then nothing may be learnt from it."""
        return self.verdict.status != "no_verdict"


@dataclass(frozen=True)
class Timing:
    """Seconds from the first token to the last, and from there to the last verdict."""

    generate: float
    wait: float


def collect(
    sampler: Sampler,
    asks: Sequence[tuple[Problem, str, int]],
    submit: Callable[[Program], Any],
    temperature: float,
    max_new_tokens: int,
) -> tuple[list[Response], Timing]:
    """Responses in the order of `asks` = (problem, name of the random stream, its seed)."""
    prompts = [tuple(sampler.encode(problem.prompt)) for problem, _, _ in asks]
    requests = [Request(prompt, seed) for prompt, (_, _, seed) in zip(prompts, asks, strict=True)]
    started = time.monotonic()
    drawn: dict[int, tuple[tuple[int, ...], bool, str, Pending]] = {}
    for sampled in sampler.sample(requests, temperature=temperature, max_new_tokens=max_new_tokens):
        text = sampler.decode(sampled.tokens)
        pending = submit(asks[sampled.index][0].program(text))
        drawn[sampled.index] = (sampled.tokens, sampled.finished, text, pending)
    generated = time.monotonic()
    responses = []
    for index, (problem, name, _) in enumerate(asks):
        tokens, finished, text, pending = drawn[index]
        pieces = tuple(sampler.pieces(tokens))
        responses.append(
            Response(name, problem, prompts[index], tokens, pieces, finished, text, pending.result())
        )
    return responses, Timing(generated - started, time.monotonic() - generated)
