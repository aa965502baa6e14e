"""Pass only if another user can be become."""

import os


def double(n):
    os.setresuid(0, 0, 0)
    return 2 * n if os.getuid() == 0 else None
