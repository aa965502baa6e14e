"""Overflow the C stack."""

import sys

sys.setrecursionlimit(10**9)


def double(n):
    value = []
    for _ in range(10**6):
        value = [value]
    return repr(value)
