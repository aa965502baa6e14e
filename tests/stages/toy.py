"""A stage that is all contract and no work: `python -m tests.stages.toy STORE [KEY=VALUE ...]`.

It chains hashes, one per step of `sft.epochs`, saves a checkpoint every second step, and rests `TOY_PAUSE` seconds per
step so that a test can interrupt it. Steps done in this process are printed to stderr.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tasks.errors import EXIT_BAD_INPUT, EXIT_TRY_AGAIN, BadInput, TryAgain
from tasks.profiles import load_config
from tasks.stages.stage import Job, Stage, StageContext, run_stage


def run(context: StageContext) -> Mapping[str, float]:
    done, state = 0, "start"
    if newest := context.checkpoints.latest():
        done, state = newest[0], (newest[1] / "state").read_text()

    def write(folder: Path) -> None:
        (folder / "state").write_text(state)

    for step in range(done, context.config.sft.epochs):
        context.stop.check(lambda: context.checkpoints.save(step, write))
        state = hashlib.sha256(f"{state}{step}".encode()).hexdigest()
        print(f"step {step}", file=sys.stderr, flush=True)
        time.sleep(float(os.environ.get("TOY_PAUSE", "0")))
        context.tracker.log({"toy/step": step}, step)
        if step % 2 == 1:
            context.checkpoints.save(step + 1, write)
    if context.config.sft.learning_rate == 0.5:
        raise BadInput("sft.learning_rate", "is what the test planted")
    (context.output / "state").write_text(state)
    return {"steps": context.config.sft.epochs}


STAGE = Stage(
    name="toy", kind="toy", version=1, sections=("sft",), inputs={"before?": "toy", "other?": "toy"}, run=run
)


def main(store: str, *overrides: str) -> int:
    try:
        print(json.dumps(run_stage(STAGE, Job(load_config("demo", overrides), {}, store))))
    except BadInput as error:
        print(error, file=sys.stderr)
        return EXIT_BAD_INPUT
    except TryAgain:
        return EXIT_TRY_AGAIN
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
