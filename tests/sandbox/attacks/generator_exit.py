"""Raise what is not an Exception."""

def double(n):
    raise GeneratorExit
