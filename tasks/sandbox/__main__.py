"""`python -m tasks.sandbox serve`: the sandbox as a service (`service.py`, `docs/sandbox.md`)."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tasks.errors import EXIT_BAD_INPUT, BadInput
from tasks.sandbox.client import ISOLATIONS, Sandbox
from tasks.sandbox.service import serve


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tasks.sandbox", description=__doc__)
    command = parser.add_subparsers(dest="command", required=True).add_parser("serve", help="run the service")
    where = command.add_mutually_exclusive_group(required=True)
    where.add_argument("--socket", help="path of the unix socket to make")
    where.add_argument("--port", type=int, help="TCP port; 0 chooses a free one")
    command.add_argument("--host", default="127.0.0.1", help="address to listen on with --port (%(default)s)")
    command.add_argument("--isolation", choices=ISOLATIONS, default="namespaces")
    command.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    command.add_argument(
        "--cache", type=Path, help="folder of the execution cache; none: every program is run"
    )
    options = parser.parse_args(argv)
    try:
        with Sandbox.open(
            isolation=options.isolation, workers=options.workers, cache=options.cache
        ) as sandbox:
            serve(options.socket or (options.host, options.port), sandbox)
    except BadInput as error:
        print(error, file=sys.stderr)
        return EXIT_BAD_INPUT
    return 0


if __name__ == "__main__":
    sys.exit(main())
