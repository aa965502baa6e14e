"""Recurses 900 deep."""


def double(n, depth=900):
    return 2 * n if depth == 0 else double(n, depth - 1)
