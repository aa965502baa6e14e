"""The PRM: its loss, its scores whatever stands behind or beside them, its fit and when that stops."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tasks.config import PRMConfig, TinyModelConfig
from tasks.method.engine import OptimiserSettings, PlainEngine
from tasks.method.prm import Example, Fit, LineLoss, collate, mean_loss, score_lines, shuffled_targets
from tasks.method.value_model import ValueModel
from tasks.sampling.models import tiny_language_model
from tasks.sampling.tokenizer import train_tokenizer

SHAPE = TinyModelConfig(vocabulary=300, layers=1, width=16, heads=2, context=64)
SETTINGS = PRMConfig(epochs=8, batch_size=8, learning_rate=1e-2, patience=3)
GOOD, BAD, END = 40, 41, 42


@pytest.fixture(scope="module")
def language_model():
    tokenizer = train_tokenizer(["def f(x):\n    return x\n"], SHAPE.vocabulary, SHAPE.context)
    return tiny_language_model(SHAPE, tokenizer, 0)


def fit_of(language_model, settings=SETTINGS):
    return Fit(
        PlainEngine(LineLoss(ValueModel.from_language_model(language_model)), OptimiserSettings()), settings
    )


@pytest.fixture
def trained(language_model):
    """A value model with scores that differ by token."""
    model = ValueModel.from_language_model(language_model).eval()
    torch.manual_seed(0)
    torch.nn.init.normal_(model.head.weight)
    return model


def programs(count, seed=0):
    """Lines of three tokens; a line with BAD spoils itself and all behind it."""
    generator = torch.Generator().manual_seed(seed)
    examples = []
    for _ in range(count):
        marks = [BAD if torch.rand((), generator=generator) < 0.3 else GOOD for _ in range(4)]
        tokens = [20, 21] + [token for mark in marks for token in (30, mark, END)]
        targets, spoilt = [], False
        for mark in marks:
            spoilt = spoilt or mark == BAD
            targets.append(-1.0 if spoilt else 1.0)
        examples.append(Example(tuple(tokens), (4, 7, 10, 13), tuple(targets)))
    return examples


def test_loss_is_the_sum_over_line_ends_alone(trained):
    examples = programs(3)
    tokens, mask, rows, ends, targets = collate(examples, torch.device("cpu"))
    expected = 0.0
    for one in examples:
        values = trained(torch.tensor([one.tokens]), torch.ones(1, len(one), dtype=torch.long))[0]
        expected += sum(
            (values[end] - target) ** 2 for end, target in zip(one.ends, one.targets, strict=True)
        )
    loss = LineLoss(trained)(tokens, mask, rows, ends, targets)
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert mean_loss(trained, examples) == pytest.approx(float(expected.detach()) / 12, rel=1e-5)


def test_a_score_never_looks_at_later_tokens(trained):
    tokens = list(range(20, 40))
    changed = tokens[:11] + [50] * 9
    (before,), (after,) = (score_lines(trained, [row], [[4, 10]]) for row in (tokens, changed))
    assert before == after
    (spoilt,) = score_lines(trained, [[*tokens[:8], 50, *tokens[9:]]], [[4, 10]])
    assert spoilt[0] == before[0]
    assert spoilt[1] != before[1]  # negative control: earlier tokens do matter


def test_scores_are_the_same_alone_and_in_any_batch(trained):
    rows = [list(range(20, 20 + length)) for length in (5, 17, 9, 30)]
    ends = [[2, 4], [16], [], [1, 8, 29]]
    together = score_lines(trained, rows, ends)
    for row, end, scores in zip(rows, ends, together, strict=True):
        assert score_lines(trained, [row], [end])[0] == pytest.approx(scores, abs=1e-5)
    backwards = score_lines(trained, rows[::-1], ends[::-1])[::-1]
    for mine, theirs in zip(together, backwards, strict=True):
        assert mine == pytest.approx(theirs, abs=1e-5)


def test_scores_are_clamped(trained):
    trained.rescale(100.0, 0.0)
    ((score,),) = score_lines(trained, [[20, 21, 22]], [[2]])
    assert abs(score) == 1.0


def test_a_fit_learns_what_spoils_a_program_and_shuffled_labels_teach_nothing(language_model):
    train, held_out = programs(120), programs(40, seed=1)
    fit = fit_of(language_model)
    while not fit.finished:
        fit.epoch(train, held_out)
    assert mean_loss(fit.keep_best(), held_out) < 0.3
    control = fit_of(language_model)
    while not control.finished:
        control.epoch(shuffled_targets(train, 0), held_out)
    assert mean_loss(control.keep_best(), held_out) > 0.8


def test_shuffling_deals_the_same_targets_to_the_same_lines():
    train = programs(30)
    shuffled = shuffled_targets(train, 0)
    assert [one.ends for one in shuffled] == [one.ends for one in train]
    flat, dealt = ([t for one in examples for t in one.targets] for examples in (train, shuffled))
    assert sorted(flat) == sorted(dealt)
    assert flat != dealt


def test_it_stops_when_the_held_out_loss_no_longer_falls_and_keeps_the_best_epoch(language_model):
    """The held-out side contradicts the training side: the longer the fit, the worse."""
    train = programs(60)
    against = [replace(one, targets=tuple(-target for target in one.targets)) for one in train]
    fit = fit_of(language_model, SETTINGS.model_copy(update={"patience": 2, "epochs": 50}))
    while not fit.finished:
        fit.epoch(train, against)
    assert len(fit.held_out) == fit.best_epoch + 1 + 2 < 50
    assert mean_loss(fit.keep_best(), against) == pytest.approx(min(fit.held_out), rel=1e-5)


def test_a_fit_that_goes_on_from_a_checkpoint_is_the_same_fit(language_model, tmp_path):
    train, held_out = programs(24), programs(8, seed=1)
    whole = fit_of(language_model)
    for _ in range(4):
        whole.epoch(train, held_out)
    broken = fit_of(language_model)
    for _ in range(2):
        broken.epoch(train, held_out)
    broken.save(tmp_path)
    resumed = fit_of(language_model)
    resumed.load(tmp_path)
    for _ in range(2):
        resumed.epoch(train, held_out)
    assert (resumed.training, resumed.held_out) == (whole.training, whole.held_out)
    for name, weights in whole.keep_best().state_dict().items():
        assert torch.equal(weights, resumed.keep_best().state_dict()[name])


def test_a_loss_that_is_not_finite_stops_the_fit(language_model):
    fit = fit_of(language_model)
    with torch.no_grad():
        fit.value_model.head.weight.fill_(float("nan"))
    with pytest.raises(ArithmeticError, match="prm epoch 0"):
        fit.epoch(programs(8), programs(8))
