"""A regular expression that backtracks for ever."""

import re


def double(n):
    return re.match(r"(a+)+$", "a" * 60 + "b")
