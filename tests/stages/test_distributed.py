"""Stages run by two processes under DeepSpeed: the artifact of one process, with its digest, within rounding."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tasks.errors import EXIT_BAD_INPUT
from tests.stages.killing import command

SETTINGS = ("ppo.steps=2", "ppo.checkpoint_every=1", "ppo.monitors.on_kl=warn")


def run(argv, *launcher, **environment):
    """Exit code, lines of stdout, stderr of a stage started by `launcher`."""
    done = subprocess.run(
        [*launcher, *argv] if launcher else argv,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=550,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


@pytest.fixture(scope="module")
def inputs(micro):
    given = {"problems": micro.problems(), "model": micro.model()}
    sft = micro.stage("sft", "sft.epochs=40", "sft.batch_size=8", "sft.learning_rate=5e-3", **given)
    return {"problems": micro.problems(), "sft": sft["artifact"]}


def weights(files, uri, name="model.safetensors"):
    from safetensors.torch import load_file

    return load_file(files(uri) / name)


def apart(one, two):
    return max(float((one[name] - two[name]).abs().max()) for name in one)


def settings_of(micro, *more):
    return (*sys.modules[type(micro).__module__].MICRO, *more)


@pytest.mark.slow
def test_policy_optimisation_by_two_processes_is_that_of_one(micro, files, inputs, tmp_path):
    cell = ("cell.arm=rltf", "cell.seed=3", *SETTINGS)
    alone = micro.stage("train_policy", *cell, **inputs)
    two = settings_of(micro, *cell, "resources.processes=2", "resources.zero=2")
    code, lines, errors = run(command("train_policy", f"file://{tmp_path}", two, **inputs))
    assert code == 0, errors[-3000:]
    (line,) = lines
    together = json.loads(line)
    assert together["digest"] == alone["digest"]
    one, other = (json.loads((files(e["artifact"]) / "curves.json").read_text()) for e in (alone, together))
    for row, expected in zip(other, one, strict=True):
        assert row == pytest.approx(expected, rel=2e-3, abs=1e-4)
    assert one[0]["train/value_loss"] != pytest.approx(one[1]["train/value_loss"], rel=2e-3, abs=1e-4)
    policies = [weights(files, e["artifact"], "policy/model.safetensors") for e in (alone, together)]
    start = weights(files, inputs["sft"])
    assert apart(*policies) < 0.2 * apart(policies[0], start)
    assert not list(tmp_path.glob("_checkpoints/*/*/_manifest.json"))


@pytest.mark.slow
def test_fine_tuning_under_torchrun_is_that_of_one_process(micro, files, tmp_path):
    given = {"problems": micro.problems(), "model": micro.model()}
    alone = micro.stage("sft", "sft.epochs=1", **given)
    argv = command("sft", f"file://{tmp_path}", settings_of(micro, "sft.epochs=1"), **given)
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    code, lines, errors = run(argv[1:], *launcher)
    assert code == 0, errors[-3000:]
    together = json.loads(lines[-1])
    assert together["digest"] == alone["digest"]
    assert together["metrics"]["loss"] == pytest.approx(alone["metrics"]["loss"], rel=1e-3)
    tuned = [weights(files, e["artifact"]) for e in (alone, together)]
    assert apart(*tuned) < 0.2 * apart(tuned[0], weights(files, micro.model()))


@pytest.mark.slow
def test_bad_input_keeps_its_exit_code(micro, inputs, tmp_path):
    wrong = settings_of(micro, "cell.arm=psgpo", "resources.processes=2")
    code, lines, errors = run(command("train_policy", f"file://{tmp_path}", wrong, **inputs))
    assert (code, lines) == (EXIT_BAD_INPUT, [])
    assert "--input prm: is missing" in errors
