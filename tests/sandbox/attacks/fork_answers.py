"""A forked copy answers too."""

import os

os.fork()


def double(n):
    return None
