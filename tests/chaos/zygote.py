"""Runs `python -m tasks ...` many times, each in a process of its own that need not import torch again.

    python -m tests.chaos.zygote

Reads one JSON object per line, `{"argv", "environment", "folder", "before"}`, forks, and answers with `{"pid"}` when
the child runs and with `{"code"}` when it has ended. The child's output is in `<folder>/out` and `<folder>/err`.
`before` is Python that the child runs first: a clock that is wrong, a limit that is low.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from tasks.__main__ import STAGES, main

ROOT = Path(__file__).resolve().parents[2]
_IMPORTED_FIRST = (
    "boto3",
    "pandas",
    "pyarrow.dataset",
    "great_expectations",
    "matplotlib.pyplot",
    "pyarrow.parquet",
    "tasks.method.prm",
    "tasks.method.ppo",
    "tasks.reporting.run_report",
    "tasks.sampling.engine",
    "tasks.sampling.models",
    "tasks.stages.training",
    "tasks.tracking.mlflow_runs",
    "tasks.validation.running",
    "torch",
    "torch.optim",
    "torch.profiler",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.qwen2.modeling_qwen2",
)


def _serve(requests: IO[str], answers: IO[str]) -> None:
    for module in (*_IMPORTED_FIRST, *(f"tasks.stages.{name}" for name in STAGES)):
        importlib.import_module(module)
    for line in requests:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            os._exit(_child(request))
        print(json.dumps({"pid": child}), file=answers, flush=True)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps({"code": code}), file=answers, flush=True)


def _child(request: Mapping[str, Any]) -> int:
    os.environ.update(request["environment"])
    for name, descriptor in (("out", 1), ("err", 2)):
        os.dup2(
            os.open(f"{request['folder']}/{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), descriptor
        )
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        exec(request["before"])  # the tests' own words
        code = main(request["argv"])
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


class Running:
    """One child: `wait` for its exit code, or end it."""

    def __init__(self, answers: IO[str], folder: Path) -> None:
        self._answers, self.folder = answers, folder
        self.pid = int(json.loads(answers.readline())["pid"])
        self.started = time.monotonic()

    def wait(self) -> int:
        """The exit code; minus the signal's number when a signal ended it."""
        return int(json.loads(self._answers.readline())["code"])

    @property
    def envelope(self) -> dict[str, Any]:
        return json.loads((self.folder / "out").read_text().splitlines()[-1])

    @property
    def errors(self) -> str:
        return (self.folder / "err").read_text(errors="replace")


class Zygote:
    """The process, as a context manager. One child at a time."""

    def __init__(self, scratch: Path) -> None:
        self._scratch, self._count = scratch, 0
        scratch.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Zygote:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    def start(
        self, argv: Sequence[str], environment: Mapping[str, str] | None = None, before: str = ""
    ) -> Running:
        """`python -m tasks ARGV...`, with more environment variables."""
        folder = self._scratch / f"child-{self._count:04d}"
        self._count += 1
        folder.mkdir()
        request = {
            "argv": list(argv),
            "environment": dict(environment or {}),
            "folder": str(folder),
            "before": before,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Running(self._process.stdout, folder)

    def run(
        self, argv: Sequence[str], environment: Mapping[str, str] | None = None, before: str = ""
    ) -> tuple[int, Running]:
        """Start and wait; exit code and what is left to read."""
        child = self.start(argv, environment, before)
        return child.wait(), child


if __name__ == "__main__":
    _serve(sys.stdin, os.fdopen(os.dup(1), "w"))
