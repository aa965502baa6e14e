"""`python -m bench NAME`: one measurement; its last line on stdout is one JSON object."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import bench


def main(argv: list[str]) -> int:
    names = sorted(module.name for module in pkgutil.iter_modules(bench.__path__))
    known = [name for name in names if not name.startswith("_") and not name.endswith("_peers")]
    if not argv or argv[0] not in known:
        print(f"usage: python -m bench NAME [options]; NAME is one of {', '.join(known)}", file=sys.stderr)
        return 64
    return int(importlib.import_module(f"bench.{argv[0]}").main(argv[1:]) or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
