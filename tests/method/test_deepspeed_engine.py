"""Two CPU processes under ZeRO are one process of plain torch: same metrics, same weights, same checkpoints."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tasks.method.engine import OPTIMISER_FILE, WEIGHTS_FILE, PlainEngine
from tests.method.toy import mixed_batch
from tests.method.zero_worker import make

ROOT = Path(__file__).parents[2]
STEPS = 3


def run_ranks(stage, folder, checkpoint):
    """Two processes that find each other as torchrun would set them up; raises when one fails.

    The metrics of the whole training, and of one that went on from `checkpoint`.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    folder.mkdir(parents=True, exist_ok=True)
    common = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "TORCH_EXTENSIONS_DIR": str(folder / "compiled"),
    }
    argv = [sys.executable, "-m", "tests.method.zero_worker", str(ROOT / f"infra/deepspeed/zero{stage}.json")]
    argv += [str(folder), str(STEPS), str(checkpoint)]
    processes = [
        subprocess.Popen(
            argv,
            cwd=ROOT,
            env={**common, "RANK": rank, "LOCAL_RANK": rank},
            stderr=subprocess.PIPE,
            text=True,
            stdout=subprocess.DEVNULL,
        )
        for rank in "01"
    ]
    try:
        for process in processes:
            _, errors = process.communicate(timeout=300)
            assert process.returncode == 0, errors[-3000:]
    finally:
        for process in processes:
            process.kill()
    assert not (folder / "compiled").exists(), "nothing may be compiled at start-up"
    return (json.loads((folder / name / "metrics.json").read_text()) for name in ("whole", "resumed"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """One process, plain torch, all responses."""
    folder, ppo = tmp_path_factory.mktemp("plain"), make(PlainEngine)
    rows = []
    for number in range(STEPS):
        rows.append(ppo.step(mixed_batch(), number)[0])
        for name in ("policy", "critic"):
            getattr(ppo, name).save(folder / str(number + 1) / name)
    return folder, rows


def assert_same_weights(folder, other, tolerance=1e-5):
    for name in ("policy", "critic"):
        one, two = (load_file(f / name / WEIGHTS_FILE) for f in (folder, other))
        assert one.keys() == two.keys()
        for key, tensor in one.items():
            assert (tensor - two[key]).abs().mean() < tolerance, f"{name} {key}"


@pytest.mark.slow
@pytest.mark.parametrize("stage", [2, 3])
def test_two_ranks_are_one_process(stage, plain, tmp_path):
    folder, expected = plain
    rows, resumed = run_ranks(stage, tmp_path, checkpoint=folder / "2")  # one of the plain engine
    for row, wanted in zip(rows, expected, strict=True):
        assert row == pytest.approx(wanted, rel=1e-3, abs=1e-5)
    assert expected[0] != pytest.approx(expected[-1], rel=1e-3, abs=1e-5)
    assert_same_weights(tmp_path / "whole" / str(STEPS), folder / str(STEPS))
    with pytest.raises(AssertionError):
        assert_same_weights(tmp_path / "whole" / str(STEPS), folder / "1")
    assert resumed[-1]["train/policy_loss"] == pytest.approx(
        rows[-1]["train/policy_loss"], rel=2e-2, abs=2e-4
    )
    assert_same_weights(tmp_path / "resumed" / str(STEPS), folder / str(STEPS))
    names = {f.name for f in (tmp_path / "whole" / "1" / "policy").iterdir()}
    assert names == {WEIGHTS_FILE, OPTIMISER_FILE}
