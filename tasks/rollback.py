"""The way back: `python -m tasks rollback` makes the previous champion champion again, policy and PRM.

The model that was champion becomes `previous`, so that doing it again takes it back. `--to VERSION` makes the policy of that
version champion; done again, this changes nothing. `--look` only says who it would be.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from tasks.errors import BadInput
from tasks.tracking.server import URI_VARIABLE, as_stage_errors, configured_server


def main(argv: Sequence[str]) -> int:
    """Raises BadInput when there is no previous champion, or no such version."""
    from tasks.stages.champion import chosen, describe, restore
    from tasks.tracking.registry import POLICY_MODEL, Registry

    parser = argparse.ArgumentParser(prog="python -m tasks rollback", description=__doc__)
    parser.add_argument("--to", default="", metavar="VERSION", help=f"a version of {POLICY_MODEL}")
    parser.add_argument("--look", action="store_true", help="only say who would be champion")
    arguments = parser.parse_args(argv)
    server = configured_server()
    if server is None:
        raise BadInput(URI_VARIABLE, "is not set", "the address of an MLflow server")
    registry = Registry(server)
    with as_stage_errors():
        policy = chosen(registry, arguments.to)
        if not arguments.look:
            restore(registry, policy)
    becomes = "would be" if arguments.look else "is"
    told = f"{describe(policy.tags)} (version {policy.version}) {becomes} champion again"
    print(json.dumps({"stage": "rollback", "version": policy.version, "note": told}), flush=True)
    return 0
