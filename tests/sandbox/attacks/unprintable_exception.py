"""Raise an exception whose text runs for ever."""

class Endless(Exception):
    def __str__(self):
        while True:
            pass


def double(n):
    raise Endless
