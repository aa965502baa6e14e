"""Pass only if the root folder can be changed."""

import os


def double(n):
    os.chroot("/tmp")
    return 2 * n
