"""Nest folders deeper than can be walked."""

import os


def double(n):
    for _ in range(2000):
        os.mkdir("d")
        os.chdir("d")
    return None
