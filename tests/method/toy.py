"""Small real things for the PPO tests: a tiny Qwen2, responses with chosen verdicts, an engine that shows gradients."""

from __future__ import annotations

import copy
from functools import cache

import torch

from tasks.config import PPOConfig, RewardConfig, TinyModelConfig
from tasks.method.arms import Arm
from tasks.method.engine import OptimiserSettings, PlainEngine
from tasks.method.logprobs import ResponseLogProbs
from tasks.method.ppo import PPO
from tasks.method.rollout import Response
from tasks.method.value_model import ValueModel
from tasks.problems import Problem
from tasks.sampling.engine import Sampler
from tasks.sampling.models import tiny_language_model
from tasks.sampling.tokenizer import train_tokenizer
from tasks.sandbox.program import Verdict

SHAPE = TinyModelConfig(vocabulary=300, layers=1, width=16, heads=2, context=128)
PROMPT = 'def solve(xs):\n    """sum"""\n'
PROBLEM = Problem("p", PROMPT, "solve", "[]", None, 1, "train", "test", "MIT")


@cache
def tokenizer():
    return train_tokenizer(
        [PROMPT + "    xs = sorted(xs)\n    return xs\n"] * 3, SHAPE.vocabulary, SHAPE.context
    )


def language_model(seed=0):
    return tiny_language_model(SHAPE, tokenizer(), seed)


def response(text, status="passed", finished=True, line=None, prompt=PROMPT, name="r"):
    sampler = text_tools()
    tokens = (*sampler.encode(text), *([tokenizer().eos_token_id] if finished else []))
    passed = 8 if status == "passed" else 3
    verdict = Verdict(status, passed, 8, 0.0, line=line)
    pieces = tuple(sampler.pieces(tokens))
    return Response(name, PROBLEM, tuple(sampler.encode(prompt)), tokens, pieces, finished, text, verdict)


@cache
def text_tools(model=None):
    return Sampler(model or language_model(), tokenizer())


def mixed_batch():
    """Passing, failing, cut, empty, commented: eight rows of different length."""
    return [
        response("    return sum(xs)\n"),
        response("    return xs\n", "failed"),
        response("    # sum\n\n    return sum(xs)\n"),
        response("", "failed"),
        response("    xs = sorted(xs)\n    retu", "error", finished=False, line=4),
        response("    return sum(xs", "error", finished=False, line=3),
        response("    xs = sorted(xs)\n" * 4 + "    return sum(xs)\n"),
        response("x\n", "error", line=3),
    ]


class ShowingEngine(PlainEngine):
    """Keeps each step's gradients and changes nothing, so that two ways to one update can be compared."""

    def step(self, learning_rate):
        self.gradients = {n: p.grad.clone() for n, p in self.model.named_parameters() if p.grad is not None}
        self.optimiser.zero_grad(set_to_none=True)
        return 1.0


def trainer(model=None, arm=None, engine=PlainEngine, score_lines=None, reference=None, seed=0, **settings):
    """A PPO over a tiny model; the critic's head is not zero, so that values matter."""
    model = model or language_model()
    reference = reference or copy.deepcopy(model)
    critic = ValueModel.from_language_model(language_model(1))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        torch.nn.init.normal_(critic.head.weight, std=0.3)
    ppo = PPOConfig(**settings)
    return PPO(
        policy=engine(ResponseLogProbs(model, ppo.temperature), OptimiserSettings()),
        critic=engine(critic, OptimiserSettings()),
        reference=ResponseLogProbs(reference.requires_grad_(False), ppo.temperature),
        score_lines=score_lines,
        arm=arm or Arm(),
        settings=ppo,
        reward=RewardConfig(),
        device=torch.device("cpu"),
        seed=seed,
    )
