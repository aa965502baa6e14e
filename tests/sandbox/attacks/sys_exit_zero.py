"""Leave with success while being called."""

import sys


def double(n):
    sys.exit(0)
