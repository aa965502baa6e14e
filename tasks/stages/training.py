"""What a training run is made of: the prompts of a step, policy, critic, process reward (see `train_policy.py`)."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tasks.config import PPOConfig
from tasks.method.arms import ARMS
from tasks.method.engine import Engine, OptimiserSettings
from tasks.method.engines import make_engine, to_train
from tasks.method.lines import line_end_tokens
from tasks.method.logprobs import ResponseLogProbs
from tasks.method.ppo import PPO, ScoreLines, earn
from tasks.method.prm import score_lines
from tasks.method.ranks import share
from tasks.method.rewards import random_scores
from tasks.method.rollout import Response, Timing, collect
from tasks.method.sft import Pair
from tasks.method.value_init import (
    calibrate_head,
    map_head,
    range_of_returns,
    refit_head,
    returns_to_go,
)
from tasks.method.value_model import ValueModel
from tasks.problems import Problem
from tasks.sampling.engine import Sampler
from tasks.sandbox import Sandbox
from tasks.stages.generation import stream_seed
from tasks.stages.stage import StageContext


@dataclass(frozen=True)
class Work:
    """What a run works with."""

    context: StageContext
    arm: str
    seed: int
    problems: list[Problem]
    sampler: Sampler
    sandbox: Sandbox


def draw(work: Work, step: int | str, count: int) -> list[tuple[Problem, str, int]]:
    """Problems of a step with the name and seed of every response's random stream: the same for every arm."""
    settings: PPOConfig = work.context.config.ppo
    each = settings.responses_per_problem
    generator = random.Random(f"train/{work.seed}/{step}")
    wanted = -(-count // each)
    enough = wanted <= len(work.problems)
    chosen = generator.sample(work.problems, wanted) if enough else generator.choices(work.problems, k=wanted)
    names = [(p, f"train/{work.seed}/{step}/{i}/{j}") for i, p in enumerate(chosen) for j in range(each)]
    return [(problem, name, stream_seed(name)) for problem, name in names[:count]]


def collect_step(
    work: Work, step: int | str, count: int, *, shared: bool = True
) -> tuple[list[Response], Timing]:
    """Sampled and graded responses of a step; `shared`: of several processes each takes its part."""
    settings: PPOConfig = work.context.config.ppo
    asks = draw(work, step, count)
    if shared:
        asks = asks[share(len(asks))]
    return collect(work.sampler, asks, work.sandbox.submit, settings.temperature, settings.max_new_tokens)


def make_trainer(work: Work, model: Any) -> PPO:
    """Policy, critic, frozen reference and process reward of the arm."""
    context, arm = work.context, ARMS[work.arm]
    settings: PPOConfig = context.config.ppo
    prm = context.optional_input("prm")
    reward_model = ValueModel.load(prm.path) if prm and arm.needs_prm else None
    score = _process_reward(arm.dense, reward_model)
    critic = (
        _critic_from_prm(work, copy.deepcopy(reward_model), score)
        if arm.value_init
        else ValueModel.from_language_model(model)
    )
    optimiser = OptimiserSettings(max_gradient_norm=settings.max_gradient_norm)

    def engine(learner: Any) -> Engine:
        return make_engine(learner, optimiser, context.resources.zero)

    def learning(language_model: Any) -> Engine:
        return engine(ResponseLogProbs(to_train(language_model), settings.temperature))

    return PPO(
        policy=learning(model),
        critic=engine(critic),
        implicit=learning(copy.deepcopy(model)) if arm.dense == "implicit" else None,
        reference=ResponseLogProbs(copy.deepcopy(model).requires_grad_(False), settings.temperature),
        score_lines=score,
        arm=arm,
        settings=settings,
        reward=context.config.reward,
        device=model.device,
        seed=work.seed,
    )


def _process_reward(dense: str, reward_model: Any) -> ScoreLines | None:
    def from_prm(responses: Sequence[Response]) -> list[list[float]]:
        rows = [[*response.prompt, *response.tokens] for response in responses]
        ends = [[len(r.prompt) + end for end in line_end_tokens(r.pieces)] for r in responses]
        return score_lines(reward_model, rows, ends)

    def at_random(responses: Sequence[Response]) -> list[list[float]]:
        return [random_scores(r.name, len(line_end_tokens(r.pieces))) for r in responses]

    return {"prm": from_prm, "random": at_random}.get(dense)


def _critic_from_prm(work: Work, critic: Any, score: ScoreLines | None) -> ValueModel:
    """The PRM as critic, its head mapped as `value_init.method` says."""
    settings, arm = work.context.config.value_init, ARMS[work.arm]
    if settings.method == "trunk":
        critic.rescale(0.0, 0.0)
    if settings.method in ("affine", "refit"):
        map_head(critic, *range_of_returns(arm, work.context.config.reward))
    if settings.method in ("calibrate", "refit"):
        pairs, returns = _graded(work, score, settings.responses)
        fit = calibrate_head if settings.method == "calibrate" else refit_head
        fit(critic, pairs, returns, work.context.config.ppo.tokens_per_micro_batch)
    return critic


def _graded(work: Work, score: ScoreLines | None, count: int) -> tuple[list[Pair], list[Any]]:
    """Responses of the SFT policy to the arm's problems, and what each token still earns in this arm."""
    arm, reward = ARMS[work.arm], work.context.config.reward
    collected, _ = collect_step(work, "refit", count, shared=False)
    responses = [response for response in collected if response.judged]
    scores = score(responses) if score else [[] for _ in responses]
    earned = [earn(r, s, arm, reward) for r, s in zip(responses, scores, strict=True)]
    return [Pair(response.prompt, response.tokens) for response in responses], returns_to_go(earned)
