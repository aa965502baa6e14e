"""Fit the process reward model on labelled prefixes and measure it on problems it has not seen (section 3.2).

in: problems, labels (one or more), sft, policy (the baseline)
out: the value model at the root, metrics.json, prm_reliability.png, prm_by_position.png

A share of the labelled problems is held out, for early stopping and for every metric. Controls on the same lines: a
constant, the mean label at a line's relative position, and a PRM fitted to shuffled labels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.config import PRMConfig
from tasks.errors import BadInput
from tasks.problems import Problem, read_problems
from tasks.stages.stage import Stage, StageContext

if TYPE_CHECKING:
    from tasks.method.prm import Fit
    from tasks.method.value_model import ValueModel
    from tasks.stages.prm_data import PRMData


def run(context: StageContext) -> Mapping[str, float]:
    from tasks.sampling.models import limit_threads, load_language_model
    from tasks.stages.prm_data import read_prm_data

    limit_threads()
    settings: PRMConfig = context.config.prm
    problems = {problem.problem_id: problem for problem in read_problems(context.input("problems").path)}
    model, tokenizer = load_language_model(_start(context))
    folders = [labels.path for labels in context.inputs["labels"]]
    data = read_prm_data(folders, problems, model, tokenizer, settings)
    fit = _fit(context, model, data)
    value_model = fit.keep_best()
    metrics = _metrics(data, problems, value_model, _shuffled_control(context, model, data))
    metrics["losses"] = {"training": fit.training, "held_out": fit.held_out, "best_epoch": fit.best_epoch + 1}
    metrics["selection"] = {"strategy": settings.selection, "responses": len(data.train)}
    value_model.save(context.output, tokenizer)
    (context.output / "metrics.json").write_text(json.dumps(metrics, indent=1, sort_keys=True) + "\n")
    _draw(context, metrics)
    everything = {f"all_{name}": value for name, value in metrics["held_out_all"].items()}
    return {**metrics["held_out"], **everything, "epochs": len(fit.held_out), "responses": len(data.train)}


def _start(context: StageContext) -> Path:
    """The checkpoint the PRM starts from. Raises BadInput when it is not among the inputs."""
    if context.config.prm.init == "sft":
        return context.input("sft").path
    policy = context.optional_input("policy")
    if policy is None:
        raise BadInput(
            "--input policy", "is missing for prm.init = baseline", "policy=URI of a policy artifact"
        )
    return policy.path / "policy"


def _fit(context: StageContext, model: Any, data: PRMData) -> Fit:
    """Epoch by epoch with a checkpoint after each; goes on from the last one."""
    from tasks.method.prm import Fit

    settings: PRMConfig = context.config.prm
    fit = Fit.start(model, settings)
    latest = context.checkpoints.latest()
    if latest is not None:
        fit.load(latest[1])
    while not fit.finished:
        fit.epoch(data.train, data.watched)
        done = len(fit.held_out)
        context.checkpoints.save(done, fit.save)
        context.tracker.log({"prm/loss": fit.training[-1], "prm/held_out_loss": fit.held_out[-1]}, done)
        context.progress(done, settings.epochs, f"held-out loss {fit.held_out[-1]:.3f}")
        context.stop.check()
    return fit


def _shuffled_control(context: StageContext, model: Any, data: PRMData) -> ValueModel:
    """The same fit to labels that mean nothing: whatever it gets right is chance."""
    from tasks.method.prm import Fit, shuffled_targets

    settings: PRMConfig = context.config.prm
    control, shuffled = Fit.start(model, settings), shuffled_targets(data.train, settings.seed)
    while not control.finished:
        control.epoch(shuffled, data.watched)
        context.stop.check()
    return control.keep_best()


def _metrics(
    data: PRMData, problems: Mapping[str, Problem], prm: ValueModel, shuffled: ValueModel
) -> dict[str, Any]:
    from tasks.method.calibration import quality
    from tasks.stages.prm_metrics import Lines, guesses, line_scores, measure, simple_controls, summary

    lines = Lines.of(data.held_out, problems)
    metrics = measure(lines, line_scores(prm, data.held_out))
    everything = Lines.of(data.held_out_all, problems)
    metrics["held_out_all"] = summary(everything, line_scores(prm, data.held_out_all))
    metrics["guesses"] = guesses(Lines.of(data.trained, problems))
    metrics["controls"] = {
        **simple_controls(metrics["guesses"], lines),
        "shuffled_labels": quality(line_scores(shuffled, data.held_out), lines.label),
    }
    return metrics


def _draw(context: StageContext, metrics: Mapping[str, Any]) -> None:
    from tasks.reporting.figures import position_figure, reliability_figure

    reliability, position = (context.output / f"prm_{name}.png" for name in ("reliability", "by_position"))
    reliability_figure(metrics["reliability"], reliability)
    position_figure(metrics["by_position"], metrics["controls"]["constant"]["accuracy"], position)
    for picture in (reliability, position):
        context.tracker.file(picture)


STAGE = Stage(
    name="fit_prm",
    kind="prm",
    version=2,
    sections=("prm",),
    inputs={"problems": "problems", "labels*": "labels", "sft": "model", "policy?": "policy"},
    run=run,
)
