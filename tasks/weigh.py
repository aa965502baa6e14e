"""The evidence for a run's best policy, before anything is promoted: what the person who approves it reads.

    python -m tasks weigh --config PROFILE --input NAME=URI ... --store URI

Takes what the stage `promote` takes and changes nothing. The last line on stdout holds the evidence as a Markdown table, and
whether a person is to be asked: the run wants it, and the evidence is for the candidate.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from tasks.cache import cache_folder
from tasks.stages.promote import STAGE, weigh
from tasks.stages.stage import parse_job, read_inputs
from tasks.tracking.server import as_stage_errors, configured_server


def main(argv: Sequence[str]) -> int:
    """Raises BadInput (exit 64) and TryAgain (exit 75)."""
    from tasks.tracking.registry import Registry

    job = parse_job("weigh", "the evidence for a run's best policy", argv)
    inputs = read_inputs(STAGE, job.inputs, cache_folder())
    server = configured_server()
    with as_stage_errors():
        weighed = weigh(inputs, job.config.promotion, Registry(server) if server else None)
    told = {
        "stage": "weigh",
        "candidate": weighed.candidate,
        "reason": "; ".join([weighed.decision.reason, *weighed.against]),
        "evidence": weighed.table,
        "promotable": weighed.promotable,
        "ask": weighed.promotable and job.config.promotion.approval,
    }
    print(json.dumps(told, sort_keys=True), flush=True)
    return 0
