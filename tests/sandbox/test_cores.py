"""Every worker has a core; no core has two more workers than another."""

from __future__ import annotations

import os

from tasks.sandbox import CallTests, Case, Program, Sandbox, cores
from tests.sandbox.conftest import QUICK

WHERE = "import os\ndef f():\n    return sorted(os.sched_getaffinity(0))"


def test_cores_are_shared_out_evenly_and_given_back() -> None:
    allowed = os.sched_getaffinity(0)
    taken = [cores.take() for _ in range(2 * len(allowed))]
    try:
        assert sorted(taken) == sorted([*allowed, *allowed])
        cores.give_back(taken[0])
        assert cores.take() == taken[0]
    finally:
        for core in taken:
            cores.give_back(core)


def test_programs_run_on_their_workers_core() -> None:
    program = Program(WHERE, CallTests("f", (Case((), None),)))
    with Sandbox.open(workers=1, limits=QUICK) as sandbox:
        details = {verdict.detail for verdict in sandbox.run([program] * 3)}
    assert details <= {f"test 1: returned [{core}], expected None" for core in os.sched_getaffinity(0)}
    assert len(details) == 1
