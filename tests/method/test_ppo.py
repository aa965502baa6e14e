"""tasks/method/ppo.py: every formula against a plain loop, equivalences, edge batches, and that it learns."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from tasks.config import RewardConfig
from tasks.method import logprobs
from tasks.method.arms import ARMS, Arm
from tasks.method.logprobs import ResponseLogProbs, micro_batches
from tasks.method.ppo import approximate_kl, earn, policy_loss, value_loss
from tasks.method.sft import Pair, collate
from tasks.sampling.engine import Request
from tests.method.test_gae import gae_by_definition
from tests.method.toy import (
    PROMPT,
    ShowingEngine,
    language_model,
    mixed_batch,
    response,
    text_tools,
    trainer,
)


def scores_by_line(responses):
    """Stands for a PRM: line m of a response scores 0.3 m - 0.5."""
    return [[0.3 * m - 0.5 for m in range(len(r.text.splitlines()))] for r in responses]


# ---- the formulas


def test_policy_loss_is_the_formula():
    log_probs, old = torch.randn(50, generator=torch.Generator().manual_seed(0)), torch.zeros(50)
    advantages = torch.randn(50, generator=torch.Generator().manual_seed(1))
    for i, loss in enumerate(policy_loss(log_probs, old, advantages, 0.2).tolist()):
        ratio, a = math.exp(log_probs[i]), float(advantages[i])
        assert loss == pytest.approx(-min(ratio * a, min(max(ratio, 0.8), 1.2) * a), rel=1e-5, abs=1e-7)


def test_value_loss_is_the_formula():
    values, old, returns = torch.randn(3, 50, generator=torch.Generator().manual_seed(0)).unbind()
    for i, loss in enumerate(value_loss(values, old, returns, 0.2).tolist()):
        v, o, r = float(values[i]), float(old[i]), float(returns[i])
        clipped = o + min(max(v - o, -0.2), 0.2)
        assert loss == pytest.approx(0.5 * max((v - r) ** 2, (clipped - r) ** 2), rel=1e-5)


def test_the_kl_estimate_is_unbiased_and_never_negative():
    old = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    new = torch.tensor([0.3, 0.3, 0.4], dtype=torch.float64)
    per_token = approximate_kl((new / old).log())
    assert (per_token >= 0).all()
    assert float((old * per_token).sum()) == pytest.approx(float((old * (old / new).log()).sum()))


def log_probs_by_definition(model, one, temperature):
    """One token at a time, from the plain model's logits."""
    found = []
    for t, token in enumerate(one.tokens):
        logits = model(torch.tensor([[*one.prompt, *one.tokens[:t]]])).logits[0, -1] / temperature
        found.append(float(torch.log_softmax(logits, -1)[token]))
    return found


@torch.no_grad()
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_log_probs_and_entropy_are_the_models_own(temperature):
    model, responses = language_model(), [r for r in mixed_batch() if r.tokens]
    inputs = collate([Pair(r.prompt, r.tokens) for r in responses], model.device)
    log_probs, entropy = ResponseLogProbs(model, temperature)(*inputs)
    expected = [p for r in responses for p in log_probs_by_definition(model, r, temperature)]
    assert log_probs.tolist() == pytest.approx(expected, abs=1e-4)
    first = model(torch.tensor([responses[0].prompt])).logits[0, -1].double() / temperature
    probs = torch.softmax(first, -1)
    assert float(entropy[0]) == pytest.approx(float(-(probs * probs.log()).sum()), abs=1e-4)


def test_chunks_change_neither_values_nor_gradients(monkeypatch):
    inputs = collate([Pair(r.prompt, r.tokens) for r in mixed_batch()], torch.device("cpu"))
    found = []
    for chunk in (4096, 5):
        monkeypatch.setattr(logprobs, "CHUNK", chunk)
        model = language_model()
        log_probs, _ = ResponseLogProbs(model, 1.0)(*inputs)
        (log_probs**2).sum().backward()
        found.append((log_probs.detach(), model.get_input_embeddings().weight.grad))
    (whole, whole_gradient), (chunked, chunked_gradient) = found
    assert torch.allclose(whole, chunked, atol=1e-5)
    assert torch.allclose(whole_gradient, chunked_gradient, rtol=1e-4, atol=1e-3)


def test_micro_batches_cover_everything_within_the_budget():
    lengths = [5, 100, 7, 7, 300, 2, 40, 41, 39]
    groups = micro_batches(lengths, 120)
    assert sorted(i for group in groups for i in group) == list(range(9))
    for group in groups:
        assert len(group) == 1 or len(group) * max(lengths[i] for i in group) <= 120
    padding = sum(len(g) * max(lengths[i] for i in g) for g in groups) / sum(lengths) - 1
    assert padding < 0.15


# ---- rewards


def test_rewards_stand_where_they_were_earned():
    one = response("    xs = sorted(xs)\n    # done\n    return sum(xs)\n", "failed")
    earned = earn(one, [0.5, 1.0, -2.0], ARMS["dense"], RewardConfig())
    ends = [i for i, piece in enumerate(one.pieces) if piece == b"\n"]
    expected = [0.0] * len(one.tokens)
    expected[ends[0]], expected[ends[2]] = 0.25 / 3 * 0.5, 0.25 / 3 * -1.0  # the comment earns nothing
    assert earned.dense == pytest.approx(expected)
    assert (earned.outcome, earned.lines, earned.neutral) == (0.0, 3, 1)
    assert earned.prm_return == pytest.approx((0.5 - 1.0) / 3)


def test_an_unfinished_line_earns_at_its_last_token():
    one = response("    xs = xs\n    retu", "error", finished=False)
    earned = earn(one, [1.0, 1.0], ARMS["dense"], RewardConfig())
    assert earned.dense[-1] == pytest.approx(0.125)


def test_rltf_punishes_the_tokens_of_the_line_that_raised():
    one = response("    xs = sorted(xs)\n    xs.foo()\n    return xs\n", "error", line=4)
    earned = earn(one, [], ARMS["rltf"], RewardConfig())
    punished = b"".join(p for p, r in zip(one.pieces, earned.dense, strict=True) if r == -0.3)
    assert punished == b"    xs.foo()\n"
    assert set(earned.dense) == {0.0, -0.3}
    assert earned.outcome == -0.6
    first = earn(response("    xs.foo()\n", "error", line=3), [], ARMS["rltf"], RewardConfig())
    assert first.dense[0] == -0.3
    assert earn(response("    return (\n", "error", line=3), [], ARMS["rltf"], RewardConfig()).outcome == -1.0


def prepared_by_definition(ppo, responses, scores):
    """Advantages before whitening and returns, by loops over tokens."""
    rows = []
    for one, line_scores in zip(responses, scores, strict=True):
        logp = log_probs_by_definition(ppo.policy.model.language_model, one, 1.0)
        reference = log_probs_by_definition(ppo.reference.language_model, one, 1.0)
        whole = torch.tensor([[*one.prompt, *one.tokens]])
        values = ppo.critic.model(whole, torch.ones_like(whole))[0, len(one.prompt) - 1 : -1].tolist()
        earned = earn(one, line_scores, ppo.arm, ppo.reward)
        rewards = [d - 0.5 * (p - q) for d, p, q in zip(earned.dense, logp, reference, strict=True)]
        rewards[-1] += earned.outcome
        advantages = gae_by_definition(rewards, values, 1.0, 0.95)
        rows.append((logp, values, advantages))
    return rows


@torch.no_grad()
def test_from_responses_to_advantages_is_the_definition():
    responses = mixed_batch()
    ppo = trainer(
        arm=ARMS["dense"], score_lines=scores_by_line, reference=language_model(7), kl_coefficient=0.5
    )
    batch, metrics = ppo.prepare(responses)
    rows = prepared_by_definition(ppo, responses, scores_by_line(responses))
    flat = [a for _, _, advantages in rows for a in advantages]
    mean = sum(flat) / len(flat)
    deviation = math.sqrt(sum((a - mean) ** 2 for a in flat) / len(flat) + 1e-8)
    for row, (logp, values, advantages) in enumerate(rows):
        n = len(logp)
        assert batch.log_probs[row, :n].tolist() == pytest.approx(logp, abs=1e-4)
        assert batch.values[row, :n].tolist() == pytest.approx(values, abs=1e-4)
        expected = [(a - mean) / deviation for a in advantages]
        assert batch.advantages[row, :n].tolist() == pytest.approx(expected, abs=2e-3)
        expected = [a + v for a, v in zip(advantages, values, strict=True)]
        assert batch.returns[row, :n].tolist() == pytest.approx(expected, abs=1e-3)
    assert metrics["train/pass_rate"] == 3 / 8
    assert metrics["train/kl"] != 0


# ---- equivalences


def gradients(responses, **settings):
    ppo = trainer(arm=ARMS["dense"], score_lines=scores_by_line, engine=ShowingEngine, **settings)
    metrics, _ = ppo.step(responses, 0)
    return ppo.policy.gradients | ppo.critic.gradients, metrics


def test_micro_batches_do_not_change_the_update():
    whole, whole_metrics = gradients(mixed_batch(), tokens_per_micro_batch=100_000)
    single, single_metrics = gradients(mixed_batch(), tokens_per_micro_batch=1)
    assert whole.keys() == single.keys()
    for name, gradient in whole.items():
        assert torch.allclose(gradient, single[name], rtol=1e-3, atol=1e-5), name
    assert whole_metrics == pytest.approx(single_metrics, rel=1e-3, abs=1e-5)
    assert any(g.abs().max() > 1e-3 for g in whole.values()), "gradients of zero would be equal too"


def test_responses_without_verdict_change_nothing_but_their_count():
    blind = response("    return 17\n" * 5, "no_verdict")
    with_blind, metrics = gradients([blind, *mixed_batch(), blind])
    without, plain = gradients(mixed_batch())
    assert all(torch.equal(with_blind[name], without[name]) for name in without)
    assert metrics.pop("train/no_verdict_share") == pytest.approx(0.2)
    assert plain.pop("train/no_verdict_share") == 0
    assert metrics == plain
    judged, _ = gradients([response("    return 17\n" * 5, "failed"), *mixed_batch()])
    assert not all(torch.equal(judged[name], without[name]) for name in without)


def test_minibatches_and_epochs_use_every_response():
    ppo = trainer(epochs=2, minibatches=3, learning_rate=1e-3)
    before = copy.deepcopy(ppo.policy.model.state_dict())
    metrics, _ = ppo.step(mixed_batch(), 0)
    assert metrics["train/ratio_max"] > 1
    assert metrics["train/approx_kl"] > 0
    assert any(not torch.equal(before[n], p) for n, p in ppo.policy.model.state_dict().items())


# ---- the whole loss on two tokens, by finite differences


class Bigram(torch.nn.Module):
    """A language model of two tokens: logits of the next depend on the last. In double precision."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(2, 2, dtype=torch.float64)
        self.head = torch.nn.Linear(2, 2, bias=False, dtype=torch.float64)

    def base_model(self, tokens, use_cache):
        return type("Output", (), {"last_hidden_state": self.embedding(tokens)})

    def get_output_embeddings(self):
        return lambda states: DoubleLogits(self.head(states))


class DoubleLogits:
    """Keeps the check in double precision: `.float()` is the one place where log-probs would drop to single."""

    def __init__(self, logits):
        self.logits = logits

    def float(self):
        return self.logits


def test_gradient_of_the_policy_loss_by_finite_differences():
    torch.manual_seed(0)
    model = Bigram()
    policy = ResponseLogProbs(model, 0.8)
    tokens = torch.tensor([[0, 1, 1, 0], [1, 0, 1, 0]])
    chosen = torch.tensor([[False, True, True, True], [False, True, True, False]])
    old = torch.tensor([-0.5, -1.0, -0.7, -0.2, -0.9], dtype=torch.float64)
    advantages = torch.tensor([1.0, -0.5, 0.3, -2.0, 0.8], dtype=torch.float64)

    def loss():
        return policy_loss(policy(tokens, chosen)[0], old, advantages, 0.2).sum()

    loss().backward()
    for parameter in model.parameters():
        for index in range(parameter.numel()):
            with torch.no_grad():
                flat = parameter.view(-1)
                flat[index] += 1e-6
                up = float(loss())
                flat[index] -= 2e-6
                down = float(loss())
                flat[index] += 1e-6
            assert float(parameter.grad.view(-1)[index]) == pytest.approx((up - down) / 2e-6, abs=1e-6)
    assert any(parameter.grad.abs().max() > 0.01 for parameter in model.parameters())


# ---- it learns


def bandit_step(ppo, model, number):
    """One token per response; saying "x" passes."""
    sampler = text_tools(model)
    requests = [Request(tuple(sampler.encode(PROMPT)), 1000 * number + i) for i in range(32)]
    responses = []
    for sampled in sampler.sample(requests, temperature=1.0, max_new_tokens=1):
        text = sampler.decode(sampled.tokens)
        responses.append(response(text, "passed" if text == "x" else "failed", finished=False))
    return ppo.step([r for r in responses if r.tokens], number)[0]


@torch.no_grad()
def probability_of_x(model):
    tools = text_tools()
    logits = model(torch.tensor([tools.encode(PROMPT)])).logits[0, -1]
    return float(torch.softmax(logits, -1)[tools.encode("x")[0]])


@pytest.mark.parametrize("kl_coefficient, solved", [(0.0, True), (10.0, False)])
def test_a_bandit_is_solved_unless_the_kl_forbids_it(kl_coefficient, solved):
    model = language_model()
    with torch.no_grad():  # "x" starts at a few per cent
        x = text_tools().encode("x")[0]
        model.get_output_embeddings().weight[x] += (
            0.2 * model.model(torch.tensor([text_tools().encode(PROMPT)])).last_hidden_state[0, -1]
        )
    before = probability_of_x(model)
    assert before < 0.5
    ppo = trainer(model, learning_rate=1e-2, kl_coefficient=kl_coefficient)
    for number in range(25):
        bandit_step(ppo, model, number)
    assert (probability_of_x(model) > 0.9) == solved


# ---- edges


@pytest.mark.parametrize("status", ["passed", "failed", "error", "timeout"])
@pytest.mark.parametrize("arm", ["rl", "dense", "rltf", "fraction_of_tests"])
def test_batches_of_one_kind_give_no_nan(status, arm):
    score = scores_by_line if arm == "dense" else None
    ppo = trainer(arm=ARMS[arm], score_lines=score)
    batch = [response("", status), response("", status, finished=True), response("x", status, finished=False)]
    metrics, _ = ppo.step(batch, 0)
    assert all(math.isfinite(value) for value in metrics.values())
    assert all(torch.isfinite(p).all() for p in ppo.policy.model.parameters())


def test_a_batch_without_any_verdict_changes_nothing():
    ppo = trainer()
    before = copy.deepcopy(ppo.policy.model.state_dict())
    metrics, _ = ppo.step([response("x", "no_verdict")] * 3, 0)
    assert metrics == {"train/no_verdict_share": 1.0}
    assert all(torch.equal(before[n], p) for n, p in ppo.policy.model.state_dict().items())


@pytest.mark.parametrize(
    "which, phase", [("policy", "policy log-probabilities"), ("critic", "critic values")]
)
def test_nan_before_the_update_stops_the_run_and_says_where(which, phase):
    ppo = trainer()
    with torch.no_grad():
        next(iter(getattr(ppo, which).model.parameters())).fill_(math.nan)
    with pytest.raises(ArithmeticError, match=f"step 17, phase {phase}"):
        ppo.step(mixed_batch(), 17)


@pytest.mark.parametrize("which, phase", [("policy", "policy loss"), ("critic", "value loss")])
def test_nan_in_a_loss_stops_the_run_and_says_where(which, phase):
    ppo = trainer(minibatches=2)
    batch, _ = ppo.prepare(mixed_batch())
    with torch.no_grad():
        next(iter(getattr(ppo, which).model.parameters())).fill_(math.nan)
    with pytest.raises(ArithmeticError, match=f"step 17, epoch 0, batch 0, phase {phase}"):
        ppo.update(batch, 17)


def test_an_infinite_gradient_stops_the_run_before_it_changes_anything():
    ppo = trainer()
    before = copy.deepcopy(ppo.policy.model.state_dict())
    ppo.policy.model.language_model.get_input_embeddings().weight.register_hook(lambda g: g * math.inf)
    with pytest.raises(ArithmeticError, match="phase policy gradient"):
        ppo.step(mixed_batch(), 0)
    assert all(torch.equal(before[n], p) for n, p in ppo.policy.model.state_dict().items())


def test_the_kl_coefficient_moves_towards_its_target_only_if_there_is_one():
    other = language_model(7)
    fixed, tight = trainer(reference=other), trainer(reference=other, kl_target=1e-6)
    loose = trainer(reference=other, kl_target=1e6)
    for ppo in (fixed, tight, loose):
        ppo.step(mixed_batch(), 0)
    assert fixed.kl_coefficient == 0.03
    assert loose.kl_coefficient == pytest.approx(0.03 * 0.98)
    assert tight.kl_coefficient == pytest.approx(0.03 * (0.98 if ppo_kl(tight) < 0 else 1.02))


def ppo_kl(ppo):
    return ppo.prepare(mixed_batch())[1]["train/kl"]


def test_arms_are_switches_of_one_code_path():
    assert ARMS["psgpo"] == Arm(dense="prm", value_init=True)
    assert {name for name, arm in ARMS.items() if arm.needs_prm} == {"dense", "value_init", "psgpo"}
