"""Run a suite by hand: `python -m tasks validate KIND ADDRESS [ADDRESS ...]`.

KIND is problems, responses, labels or scores; an ADDRESS is an artifact's, or a folder that holds the kind's files. What
fails is said line by line; exit code 64 when something does that is more than a warning. The last line on stdout counts.

    python -m tasks validate labels file:///data/store/labels/ab/ab12... --previous file:///data/store/labels/cd/cd34...
    python -m tasks validate problems ./mine --benchmark file:///data/store/problems/ef/ef56... --pages ./data-docs
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tasks.cache import cache_folder
from tasks.errors import BadInput
from tasks.profiles import load_config
from tasks.store import fetch_uri

KINDS = ("problems", "responses", "labels", "scores")


def main(argv: Sequence[str]) -> int:
    """Raises BadInput for what cannot be read, and for expectations that fail."""
    parser = argparse.ArgumentParser(
        prog="python -m tasks validate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("addresses", nargs="+", metavar="ADDRESS", help="artifact address or folder")
    parser.add_argument("--config", default="demo", help="profile or file: sandbox, prm and validation count")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--previous", action="append", default=[], help="labels before these, to compare")
    parser.add_argument("--benchmark", action="append", default=[], help="problems training must not hold")
    parser.add_argument("--pages", type=Path, help="folder for the Data Docs pages")
    arguments = parser.parse_args(argv)
    return _validate(arguments)


def _validate(arguments: argparse.Namespace) -> int:
    from tasks.stages.gate import Gate
    from tasks.stages.validate import stop_on, told
    from tasks.validation.page import write_front_page
    from tasks.validation.running import run_suites

    config = load_config(arguments.config, arguments.set)
    previous, benchmarks = _folders(arguments.previous), _folders(arguments.benchmark)
    gate = Gate(config.sandbox, config.prm, config.validation, previous, benchmarks)
    tables = gate.tables(arguments.kind, _folders(arguments.addresses))
    with _pages(arguments.pages) as pages:
        outcomes = run_suites(tables, pages)
        write_front_page(tables, outcomes, pages)
    failed = told([outcome for outcome in outcomes if not outcome.success])
    stop_on([outcome for outcome in failed if not outcome.warning], len(outcomes))
    rows = sum(len(table.frame) for table in tables)
    print(json.dumps({"expectations": len(outcomes), "warnings": len(failed), "rows": rows}))
    return 0


@contextmanager
def _pages(wanted: Path | None) -> Iterator[Path]:
    if wanted is not None:
        yield wanted.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="psgpo-data-docs-") as folder:
        yield Path(folder)


def _folders(addresses: Sequence[str]) -> list[Path]:
    """Local folders. Raises BadInput for an address that is neither an artifact's nor a folder."""
    return [_folder(address) for address in addresses]


def _folder(address: str) -> Path:
    if "://" in address:
        return fetch_uri(address, cache_folder()).path
    if not Path(address).is_dir():
        raise BadInput(
            address, "is neither an artifact address nor a folder", "STORE/KIND/DD/DIGEST, or a folder"
        )
    return Path(address)
