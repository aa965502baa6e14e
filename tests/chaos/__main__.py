"""Inject real faults and count what became of the work: `python -m tests.chaos [--times N] [--seed N] [--only PART ...]`.

Prints a table as Markdown and, as the last line, one JSON object; exits with 1 when a promise of `docs/reliability.md`
was broken. Nothing outside a temporary folder is touched.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

from tests.chaos.scene import Scene
from tests.chaos.tally import Tally, as_objects, table

PARTS = ("stage", "store", "tracking", "sandbox", "numbers", "input", "secret", "airflow")


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--times", type=int, default=5, help="injections per fault that is drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args(argv)
    for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "PSGPO_PARENT_RUN", "PSGPO_SANDBOX"):
        os.environ.pop(variable, None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # servers are stopped on the way out
    tallies, began = [], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="psgpo-chaos-") as folder:
        scene = Scene(Path(folder), options.seed, options.times)
        with scene.closing:
            for part in options.only:
                for tally in _of_part(part, scene):
                    tallies.append(tally)
                    print(f"{time.monotonic() - began:6.0f} s  {tally}", file=sys.stderr, flush=True)
    kept = all(tally.kept for tally in tallies)
    print(table(tallies))
    told = {"seed": options.seed, "times": options.times, "kept": kept, "faults": as_objects(tallies)}
    print(json.dumps({**told, "seconds": round(time.monotonic() - began)}))
    return 0 if kept else 1


def _of_part(part: str, scene: Scene) -> Iterator[Tally]:
    """Its faults; a part that breaks is a broken promise, and the others go on."""
    try:
        yield from import_module(f"tests.chaos.{part}_faults").faults(scene)
    except Exception as error:
        traceback.print_exc()
        yield Tally(f"{part}: broke off", wrong=1, notes=[repr(error)[:300]])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
