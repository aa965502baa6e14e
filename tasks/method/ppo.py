"""Proximal policy optimisation with process rewards (section 3.3 of the paper; PPO: Schulman et al., 1707.06347).

One step, top to bottom: lay the responses out, score them (policy, reference, critic, process rewards), turn rewards
into advantages, update policy and critic. The RL baseline and every arm are this file with other switches (`arms.py`).

Shapes: B responses; S tokens of prompt and response, padded on the right (causal attention keeps padding away from
every real token, so no mask is needed); R tokens of the longest response; N tokens of all responses. [B, R] tensors
have a response's tokens from column 0 and a mask. The value at column t is the critic's output at the token *before*
response token t: what the state is worth before t is chosen.

Open in the paper, our choices: the KL penalty is the plain log-ratio in the reward; the critic is a network of its own;
losses are means over all response tokens of an update, so that splitting a batch changes nothing.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tasks.config import PPOConfig, RewardConfig
from tasks.method.arms import Arm
from tasks.method.engine import Engine
from tasks.method.gae import explained_variance, gae, masked_mean, whiten
from tasks.method.lines import line_end_tokens, neutral_lines
from tasks.method.logprobs import ResponseLogProbs, micro_batches
from tasks.method.prime import outcome_loss, token_rewards
from tasks.method.ranks import largest, mean_over_ranks, total
from tasks.method.rewards import (
    RLTF_LINE,
    compiles,
    line_returns,
    line_weight,
    offending_line,
    outcome_reward,
)
from tasks.method.rollout import Response
from tasks.method.sft import Pair, collate

ScoreLines = Callable[[Sequence[Response]], list[list[float]]]
KL_GAIN, KL_ERROR = 0.1, 0.2  # adaptive coefficient: Ziegler et al., 1909.08593


@dataclass(frozen=True)
class Earned:
    """What one response earned: `dense` per token, `outcome` at its last; and what the monitors watch."""

    dense: list[float]
    outcome: float
    lines: int
    neutral: int
    prm_return: float


@dataclass
class Batch:
    """Everything of one step that the update needs; [B, R] each, zero outside `mask`; `passed` [B] of 0 and 1."""

    pairs: list[Pair]
    mask: Tensor
    log_probs: Tensor
    reference: Tensor
    passed: Tensor
    values: Tensor
    advantages: Tensor
    returns: Tensor


@dataclass
class Update:
    """Sums over the tokens of all updates of one step, on this rank."""

    tokens: int = 0
    policy_loss: float = 0.0
    value_loss: float = 0.0
    approx_kl: float = 0.0
    clipped: float = 0.0
    ratio_max: float = 0.0

    def add(self, loss: Tensor, critic_loss: Tensor, log_ratio: Tensor, clip: float) -> None:
        ratio = log_ratio.exp()
        self.tokens += len(ratio)
        self.policy_loss += float(loss.detach())
        self.value_loss += float(critic_loss.detach())
        self.approx_kl += float(approximate_kl(log_ratio).sum())
        self.clipped += float(((ratio - 1).abs() > clip).sum())
        self.ratio_max = max(self.ratio_max, float(ratio.max()))

    def means(self) -> dict[str, float]:
        """Per token of all ranks."""
        sums = [self.policy_loss, self.value_loss, self.approx_kl, self.clipped, self.tokens]
        *means, tokens = total(torch.tensor(sums, dtype=torch.float64)).tolist()
        names = ("policy_loss", "value_loss", "approx_kl", "clip_fraction")
        per_token = {
            f"train/{name}": value / max(1, tokens) for name, value in zip(names, means, strict=True)
        }
        return per_token | {"train/ratio_max": largest(self.ratio_max)}


@dataclass
class PPO:
    """Policy and critic being trained, and what they are trained with.

    `implicit` is the reward model of the arm prime, which learns along. `kl_coefficient` moves if a target is set;
    `lambda_scale` multiplies both lambdas.
    """

    policy: Engine
    critic: Engine
    reference: ResponseLogProbs
    score_lines: ScoreLines | None
    arm: Arm
    settings: PPOConfig
    reward: RewardConfig
    device: torch.device
    seed: int
    implicit: Engine | None = None
    kl_coefficient: float = field(init=False)
    lambda_scale: float = field(init=False, default=1.0)

    def __post_init__(self) -> None:
        self.kl_coefficient = self.settings.kl_coefficient

    @property
    def engines(self) -> dict[str, Engine]:
        """Everything that learns, by name: what a checkpoint must hold."""
        learning = {"policy": self.policy, "critic": self.critic}
        return {**learning, "implicit": self.implicit} if self.implicit else learning

    def step(self, responses: Sequence[Response], number: int) -> tuple[dict[str, float], dict[str, float]]:
        """One policy update; metrics that a rerun repeats exactly, and seconds per phase.

        Responses without verdict take no part; without any response that has one nothing is updated. Raises
        ArithmeticError, naming step, batch and phase, when a loss or gradient is not finite.
        """
        judged = [response for response in responses if response.judged and response.tokens]
        missing = {"train/no_verdict_share": 1 - sum(r.judged for r in responses) / max(1, len(responses))}
        missing = mean_over_ranks(missing, len(responses))
        if largest(not judged):  # a rank with nothing to do would leave the others waiting
            return missing, {}
        started = time.monotonic()
        batch, metrics = self.prepare(judged)
        for tensor, phase in ((batch.log_probs, "policy log-probabilities"), (batch.values, "critic values")):
            _finite(tensor.sum(), f"step {number}", phase)
        prepared = time.monotonic()
        metrics = mean_over_ranks(metrics, len(judged)) | missing | self.update(batch, number)
        seconds = {"time/score": prepared - started, "time/update": time.monotonic() - prepared}
        self._move_kl_coefficient(metrics["train/kl"])
        return metrics, seconds

    # ---- from responses to advantages

    @torch.no_grad()
    def prepare(self, responses: Sequence[Response]) -> tuple[Batch, dict[str, float]]:
        """Score the responses with everything that is fixed during the update."""
        pairs = [Pair(response.prompt, response.tokens) for response in responses]
        mask = _mask([len(response.tokens) for response in responses], self.device)
        (log_probs, entropy), (reference, _), (values,) = (
            self._evaluate(function, pairs, mask) for function in (self.policy, self.reference, self._values)
        )
        earned = [
            earn(response, scores, self.arm, self._reward_now())
            for response, scores in zip(responses, self._scores(responses), strict=True)
        ]
        environment, paid = _environment_rewards(earned, mask), _response_metrics(responses, earned)
        if self.implicit:
            (phi, _) = self._evaluate(self.implicit, pairs, mask)
            implicit = token_rewards(phi, reference) * mask
            environment += implicit
            paid["train/prm_return"] = float(implicit.sum(-1).mean())
            paid["train/reward"] += paid["train/prm_return"]
        log_ratio = (log_probs - reference) * mask
        rewards = environment - self.kl_coefficient * log_ratio
        advantages, returns = gae(rewards, values, mask, self.settings.gamma, self.settings.gae_lambda)
        metrics = {
            **paid,
            "train/lambda_scale": self.lambda_scale,
            "train/kl": float(log_ratio.sum(-1).mean()),
            "train/kl_coefficient": self.kl_coefficient,
            "train/entropy": float(masked_mean(entropy, mask, total)),
            "train/explained_variance": explained_variance(values, returns, mask, total),
        }
        passed = torch.tensor([float(r.verdict.passed) for r in responses], device=self.device)
        advantages = whiten(advantages, mask, total)
        return Batch(pairs, mask, log_probs, reference, passed, values, advantages, returns), metrics

    def _reward_now(self) -> RewardConfig:
        fail, passed = self.reward.lambda_fail, self.reward.lambda_pass
        scaled = {"lambda_fail": fail * self.lambda_scale, "lambda_pass": passed * self.lambda_scale}
        return self.reward.model_copy(update=scaled)

    def _scores(self, responses: Sequence[Response]) -> list[list[float]]:
        return self.score_lines(responses) if self.score_lines else [[] for _ in responses]

    def _values(self, tokens: Tensor, is_response: Tensor) -> tuple[Tensor]:
        """The critic before each response token, [N]."""
        return (self.critic(tokens[:, :-1], torch.ones_like(tokens[:, :-1]))[is_response[:, 1:]],)

    def _evaluate(
        self, function: Callable[..., Sequence[Tensor]], pairs: list[Pair], mask: Tensor
    ) -> list[Tensor]:
        """Apply `function` micro-batch by micro-batch; its [N] outputs as [B, R]."""
        outputs: list[Tensor] = []
        groups = micro_batches([len(pair) for pair in pairs], self.settings.tokens_per_micro_batch)
        for turn in range(int(largest(len(groups)))):  # as many passes as the busiest rank: they meet
            rows = groups[turn] if turn < len(groups) else [0]
            results = function(*collate([pairs[row] for row in rows], self.device))
            outputs = outputs or [torch.zeros_like(mask) for _ in results]
            for output, result in zip(outputs, results, strict=True):
                part = torch.zeros_like(mask[rows])
                part[mask[rows] > 0] = result
                output[rows] = part
        return outputs

    # ---- from advantages to a new policy

    def update(self, batch: Batch, number: int) -> dict[str, float]:
        """`epochs` passes over the batch in `minibatches` optimiser steps each."""
        sums = Update()
        for epoch in range(self.settings.epochs):
            order = list(range(len(batch.pairs)))
            random.Random(f"ppo/{self.seed}/{number}/{epoch}").shuffle(order)
            for part in range(self.settings.minibatches):
                place = f"step {number}, epoch {epoch}, batch {part}"
                self._minibatch(batch, order[part :: self.settings.minibatches], sums, place)
        taught = self._teach(batch, f"step {number}") if self.implicit else {}
        return sums.means() | taught

    def _minibatch(self, batch: Batch, rows: list[int], sums: Update, place: str) -> None:
        """One optimiser step of policy and critic on some rows; gradients are means over the tokens of all ranks.

        Every rank makes as many passes as the busiest one, because passes meet in collective operations; a rank that is
        done repeats one with weight 0.
        """
        settings = self.settings
        tokens = int(total(batch.mask[rows].sum()))
        if not tokens:
            return
        lengths = [len(batch.pairs[row]) for row in rows]
        groups = [
            [rows[i] for i in group] for group in micro_batches(lengths, settings.tokens_per_micro_batch)
        ]
        for turn in range(int(largest(len(groups)))):
            part, weight = (groups[turn], 1 / tokens) if turn < len(groups) else ([0], 0.0)
            chosen = batch.mask[part] > 0
            old, advantages, values, returns = (
                tensor[part][chosen]
                for tensor in (batch.log_probs, batch.advantages, batch.values, batch.returns)
            )  # [n] each
            inputs = collate([batch.pairs[row] for row in part], self.device)
            log_probs, _ = self.policy(*inputs)
            loss = policy_loss(log_probs, old, advantages, settings.clip).sum()
            self.policy.backward(_finite(loss, place, "policy loss") * weight)
            (predicted,) = self._values(*inputs)
            critic_loss = value_loss(predicted, values, returns, settings.value_clip).sum()
            self.critic.backward(
                settings.value_coefficient * _finite(critic_loss, place, "value loss") * weight
            )
            if weight:
                sums.add(loss, critic_loss, log_probs.detach() - old, settings.clip)
        for engine, rate, name in (
            (self.policy, settings.learning_rate, "policy"),
            (self.critic, settings.critic_learning_rate, "critic"),
        ):
            if not math.isfinite(engine.step(rate)):
                raise ArithmeticError(f"{place}, phase {name} gradient: not finite")

    def _teach(self, batch: Batch, place: str) -> dict[str, float]:
        """One optimiser step of the implicit reward model on the outcomes; means over the responses of all ranks."""
        assert self.implicit is not None
        responses = int(total(torch.tensor(len(batch.pairs))))
        groups = micro_batches([len(pair) for pair in batch.pairs], self.settings.tokens_per_micro_batch)
        summed = 0.0
        for turn in range(int(largest(len(groups)))):
            part, weight = (groups[turn], 1 / responses) if turn < len(groups) else ([0], 0.0)
            chosen = batch.mask[part] > 0
            log_probs, _ = self.implicit(*collate([batch.pairs[row] for row in part], self.device))
            rewards = token_rewards(log_probs, batch.reference[part][chosen])
            loss = outcome_loss(rewards, chosen.nonzero()[:, 0], batch.passed[part])
            self.implicit.backward(_finite(loss, place, "implicit reward loss") * weight)
            summed += weight * float(loss.detach())
        if not math.isfinite(self.implicit.step(self.settings.learning_rate)):
            raise ArithmeticError(f"{place}, phase implicit reward gradient: not finite")
        return {"train/implicit_loss": float(total(torch.tensor(summed, dtype=torch.float64)))}

    def _move_kl_coefficient(self, kl: float) -> None:
        """Steer the KL towards its target; 0 leaves the coefficient as it is."""
        target = self.settings.kl_target
        if target > 0:
            error = max(-KL_ERROR, min(KL_ERROR, kl / target - 1))
            self.kl_coefficient *= 1 + KL_GAIN * error


def earn(response: Response, scores: Sequence[float], arm: Arm, settings: RewardConfig) -> Earned:
    """Rewards of one response; `scores` has one number per line, or is empty when the arm has no process reward."""
    ends = line_end_tokens(response.pieces)
    neutral = neutral_lines(response.problem.prompt, response.text)
    dense = [0.0] * len(response.tokens)
    returns = line_returns(scores, neutral, settings) if scores else []
    weight = line_weight(response.verdict.passed, settings)
    for end, value in zip(ends, returns, strict=False):  # no returns: no process reward
        dense[end] += weight * value
    if arm.dense == "offending_line":
        line = offending_line(response.verdict, response.problem.prompt)
        if line is not None and line < len(ends):
            for token in range(ends[line - 1] + 1 if line else 0, ends[line] + 1):
                dense[token] += RLTF_LINE
    parses = arm.outcome != "rltf" or compiles(response.problem.prompt + response.text)
    outcome = outcome_reward(response.verdict, arm.outcome, compiles=parses)
    return Earned(dense, outcome, len(ends), sum(neutral), sum(returns))


def policy_loss(log_probs: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """-min(ratio A, clip(ratio, 1 - c, 1 + c) A) per token, [N]."""
    ratio = (log_probs - old).exp()
    return -torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


def value_loss(values: Tensor, old: Tensor, returns: Tensor, clip: float) -> Tensor:
    """1/2 max((V - return)^2, (V_old + clip(V - V_old, -c, c) - return)^2) per token, [N]."""
    clipped = old + (values - old).clamp(-clip, clip)
    return 0.5 * torch.max((values - returns) ** 2, (clipped - returns) ** 2)


def approximate_kl(log_ratio: Tensor) -> Tensor:
    """(ratio - 1) - log ratio per token: never negative, unbiased for KL(old || new)."""
    return log_ratio.exp() - 1 - log_ratio


def _finite(loss: Tensor, place: str, phase: str) -> Tensor:
    if not torch.isfinite(loss):
        raise ArithmeticError(f"{place}, phase {phase}: {float(loss.detach())}")
    return loss


def _mask(lengths: Sequence[int], device: torch.device) -> Tensor:
    """[B, R]: 1 on response tokens."""
    columns = torch.arange(max(lengths), device=device)
    return (columns < torch.tensor(lengths, device=device)[:, None]).float()


def _environment_rewards(earned: Sequence[Earned], mask: Tensor) -> Tensor:
    """[B, R]: process rewards where they were earned, the outcome at the last token."""
    rewards = torch.zeros_like(mask)
    for row, one in enumerate(earned):
        rewards[row, : len(one.dense)] = torch.tensor(one.dense, device=mask.device)
        rewards[row, len(one.dense) - 1] += one.outcome
    return rewards


def _response_metrics(responses: Sequence[Response], earned: Sequence[Earned]) -> dict[str, float]:
    count, lines = len(responses), sum(one.lines for one in earned)
    all_neutral, all_lines = total(torch.tensor([sum(one.neutral for one in earned), lines])).tolist()
    return {
        "train/reward": sum(one.outcome + sum(one.dense) for one in earned) / count,
        "train/pass_rate": sum(response.verdict.passed for response in responses) / count,
        "train/response_tokens": sum(len(response.tokens) for response in responses) / count,
        "train/finished_share": sum(response.finished for response in responses) / count,
        "train/lines": lines / count,
        "train/comment_share": all_neutral / max(1, all_lines),
        "train/prm_return": sum(one.prm_return for one in earned) / count,
    }
