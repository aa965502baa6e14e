"""Say what of a store nobody needs any more, in bytes; with --remove, take it away.

    python -m tasks maintain --store URI [--older-than-days N] [--keep ADDRESS ...] [--remove]

Never goes: what a registered model was made from or judged by, what `--keep` names (the artifacts of active runs), what is
younger than N days, and everything these were made from (`tasks/maintenance/leftovers.py`). The registry is that of
`MLFLOW_TRACKING_URI`; without one nothing is looked at. One line on stdout per leftover, the sums on the last as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence

from tasks.errors import BadInput
from tasks.maintenance.leftovers import Leftovers, find_leftovers
from tasks.maintenance.removal import remove
from tasks.stages.progress import Progress
from tasks.store import open_store
from tasks.tracking.server import URI_VARIABLE, as_stage_errors, configured_server

LEAST_DAYS = 1
"""A run that is starting may be about to use what it found: such artifacts are never so young that this matters."""
_DAY = 86400


def main(argv: Sequence[str]) -> int:
    """Raises BadInput (exit 64) and TryAgain (exit 75)."""
    from tasks.tracking.registry import Registry

    parser = argparse.ArgumentParser(prog="python -m tasks maintain", description=__doc__)
    parser.add_argument("--store", required=True, help="file:///path or s3://bucket/prefix")
    parser.add_argument("--older-than-days", type=float, default=30, metavar="N")
    parser.add_argument("--keep", action="append", default=[], metavar="ADDRESS", help="an artifact in use")
    parser.add_argument("--remove", action="store_true", help="take it away; otherwise it is only said")
    arguments = parser.parse_args(argv)
    if arguments.older_than_days < LEAST_DAYS:
        raise BadInput("--older-than-days", f"is {arguments.older_than_days:g}", f"at least {LEAST_DAYS}")
    server = configured_server()
    if server is None:
        raise BadInput(
            URI_VARIABLE, "is not set", "the address of MLflow: its registry knows which models are needed"
        )
    store = open_store(arguments.store)
    with as_stage_errors():
        needed = [*Registry(server).addresses(), *arguments.keep]
    leftovers = find_leftovers(store, needed, time.time() - _DAY * arguments.older_than_days)
    for key, size in leftovers.items():
        print(f"{store.uri}/{key} {size}")
    if arguments.remove:
        remove(store, leftovers, _told(leftovers.bytes))
    told = summary(leftovers, arguments.older_than_days, arguments.remove)
    print(told["note"], file=sys.stderr)
    print(json.dumps({"stage": "maintain", **told}, sort_keys=True), flush=True)
    return 0


def _told(total: int) -> Callable[[int], None]:
    progress, freed = Progress("maintain"), 0

    def on_removed(size: int) -> None:
        nonlocal freed
        freed += size
        progress(freed, total, "bytes")

    return on_removed


def summary(leftovers: Leftovers, days: float, removed: bool) -> dict[str, object]:
    """Counts and bytes, and the same as a sentence."""
    kinds = Counter[str]()
    for key, size in leftovers.artifacts.items():
        kinds[key.split("/", 1)[0]] += size
    parts = [
        f"{len(leftovers.artifacts):,} of {leftovers.checked:,} artifacts ({told_bytes(sum(kinds.values()))})",
        f"{len(leftovers.unfinished):,} unfinished ones ({told_bytes(sum(leftovers.unfinished.values()))})",
        f"checkpoints of {len(leftovers.checkpoints):,} stages ({told_bytes(sum(leftovers.checkpoints.values()))})",
    ]
    verb = "removed" if removed else "would remove"
    note = f"{verb} {told_bytes(leftovers.bytes)}: {', '.join(parts)}; nobody needs them, older than {days:g} days"
    return {
        "removed": removed,
        "bytes": leftovers.bytes,
        "checked": leftovers.checked,
        "artifacts": len(leftovers.artifacts),
        "unfinished": len(leftovers.unfinished),
        "checkpoints": len(leftovers.checkpoints),
        "bytes_by_kind": dict(sorted(kinds.items())),
        "note": note,
    }


def told_bytes(count: float) -> str:
    """Bytes as people say them."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
