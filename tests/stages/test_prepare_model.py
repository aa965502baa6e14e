"""The base model as an artifact: the tiny one, one from a folder, and none."""

from __future__ import annotations

import json

import pytest

from tasks.errors import BadInput
from tasks.sampling.models import load_language_model


def test_the_tiny_model_is_an_ordinary_checkpoint_of_the_configured_shape(micro, files):
    model, tokenizer = load_language_model(files(micro.model()))
    assert (model.config.model_type, model.config.hidden_size) == ("qwen2", 32)
    assert len(tokenizer) <= 300
    assert tokenizer.encode("\n\n") == [tokenizer.encode("\n")[0]] * 2


def test_made_again_it_has_the_same_content(micro, files, tmp_path):
    other = type(micro)(tmp_path)
    first, again = (run.stage("prepare_model", problems=micro.problems()) for run in (micro, other))
    contents = [
        json.loads((files(e["artifact"]) / "_manifest.json").read_text())["content"] for e in (first, again)
    ]
    assert contents[0] == contents[1]
    assert not again["cached"]
    seeded = micro.stage("prepare_model", "model.seed=1", problems=micro.problems())
    assert json.loads((files(seeded["artifact"]) / "_manifest.json").read_text())["content"] != contents[0]


def test_a_model_from_a_folder_goes_the_same_way(micro, files):
    source = files(micro.model())
    copied = micro.stage("prepare_model", f"model.source={source}", problems=micro.problems())
    names = ("model.safetensors", "tokenizer.json")
    for name in names:
        assert (files(copied["artifact"]) / name).read_bytes() == (source / name).read_bytes()


def test_a_folder_that_is_not_there_is_refused(micro):
    with pytest.raises(BadInput, match="absent"):
        micro.stage("prepare_model", "model.source=/absent/model", problems=micro.problems())
