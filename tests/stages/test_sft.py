"""Supervised fine-tuning: it learns, it refuses what does not fit, and a kill changes nothing."""

from __future__ import annotations

import sys

import pytest

from tasks.errors import BadInput
from tests.stages.killing import command, content_of, kill_after_checkpoint

LONG = ("sft.epochs=8", "sft.batch_size=4", "sft.checkpoint_every=3")


def test_the_loss_falls(micro):
    inputs = {"problems": micro.problems(), "model": micro.model()}
    short, long = (micro.stage("sft", f"sft.epochs={n}", **inputs)["metrics"]["loss"] for n in (1, 6))
    assert long < short - 0.5


def test_killed_and_run_again_it_gives_the_same_content(micro, files, tmp_path):
    inputs = {"problems": micro.problems(), "model": micro.model()}
    settings = (*sys.modules[type(micro).__module__].MICRO, *LONG)
    other = type(micro)(tmp_path)
    kill_after_checkpoint(command("sft", other.store, settings, **inputs), other.store, 6)
    resumed, whole = (run.stage("sft", *LONG, **inputs) for run in (other, micro))
    assert not resumed["cached"]
    assert content_of(files(resumed["artifact"])) == content_of(files(whole["artifact"]))
    assert resumed["metrics"]["loss"] == whole["metrics"]["loss"]


def test_a_demonstration_longer_than_the_context_is_refused_by_row(micro):
    small = micro.stage("prepare_model", "model.tiny.context=64", problems=micro.problems())["artifact"]
    with pytest.raises(BadInput, match=r"demonstrations row \d+ .*at most 64"):
        micro.stage("sft", problems=micro.problems(), model=small)
