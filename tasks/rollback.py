"""The way back: `python -m tasks rollback` makes the previous champion champion again, policy and PRM.

The model that was champion becomes `previous`, so that doing it again takes it back.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from tasks.errors import BadInput
from tasks.tracking.server import URI_VARIABLE, as_stage_errors, configured_server


def main(argv: Sequence[str]) -> int:
    """Raises BadInput when there is no previous champion."""
    from tasks.stages.champion import describe, restore
    from tasks.tracking.registry import POLICY_MODEL, PRM_MODEL, Registry

    argparse.ArgumentParser(prog="python -m tasks rollback", description=__doc__).parse_args(argv)
    server = configured_server()
    if server is None:
        raise BadInput(URI_VARIABLE, "is not set", "the address of an MLflow server")
    registry = Registry(server)
    with as_stage_errors():
        policy = restore(registry, POLICY_MODEL)
        if policy is None:
            raise BadInput(f"{POLICY_MODEL}@previous", "does not exist: there is nothing to go back to")
        restore(registry, PRM_MODEL)
    told = f"{describe(policy.tags)} (version {policy.version}) is champion again"
    print(json.dumps({"stage": "rollback", "champion": policy.version, "note": told}), flush=True)
    return 0
