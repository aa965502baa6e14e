"""Pass only if an environment secret can be read."""

import os


def double(n):
    found = [name for name in os.environ if "SECRET" in name or "TOKEN" in name or name == "USER"]
    return 2 * n if found else None
