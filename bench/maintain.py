"""How long it takes to find and to remove what nobody needs among 100,000 artifacts on a disk.

    python -m bench maintain [--artifacts N]

Half of them are old and unreferenced; the other half are young, so that all their manifests have to be read. The last line
is JSON; `ratio` is the seconds of both together over the minute they may take.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tasks.maintenance.leftovers import find_leftovers
from tasks.maintenance.removal import remove
from tasks.store import digest_of, open_store
from tasks.store.artifacts import FORMAT, MANIFEST, artifact_key, seal_of

ALLOWED_SECONDS = 60.0
_YEAR = 365 * 86400


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench maintain", description=__doc__)
    parser.add_argument("--artifacts", type=int, default=100_000)
    count = parser.parse_args(argv).artifacts
    with tempfile.TemporaryDirectory(prefix="psgpo-bench-") as folder:
        store = open_store(f"file://{folder}")
        _fill(Path(folder), store.uri, count)
        started = time.perf_counter()
        found = find_leftovers(store, [], time.time() - _YEAR / 2)
        looked = time.perf_counter()
        assert len(found.artifacts) == count // 2
        remove(store, found)
        removed = time.perf_counter()
        assert find_leftovers(store, [], time.time() - _YEAR / 2).bytes == 0
    figures = {
        "artifacts": count,
        "find_seconds": round(looked - started, 1),
        "remove_seconds": round(removed - looked, 1),
        "removed": count // 2,
        "ratio": round((removed - started) / ALLOWED_SECONDS, 3),
    }
    print(json.dumps(figures))
    return 0


def _fill(folder: Path, uri: str, count: int) -> None:
    """Artifacts of one file each, every one made from the one two before it: the old from old ones, the young from young."""
    keys = [artifact_key("scores", digest_of({"number": number})) for number in range(count)]
    for number, key in enumerate(keys):
        made_from = {"policy": [f"{uri}/{keys[number - 2]}"] if number > 1 else []}
        manifest = {"format": FORMAT, "kind": "scores", "files": {}, "input_artifacts": made_from}
        manifest["seal"] = seal_of(manifest)
        (folder / key).mkdir(parents=True)
        files = {"file": "x", MANIFEST: json.dumps(manifest, indent=1, sort_keys=True)}
        for name, text in files.items():
            (folder / key / name).write_text(text)
            if number % 2:
                os.utime(folder / key / name, (time.time() - _YEAR,) * 2)
