"""Generators, closures, global state."""

calls = 0


def counter():
    number = 0
    while True:
        number += 1
        yield number


ticks = counter()


def make(factor):
    return lambda n: factor * n


def double(n):
    global calls
    calls += 1
    assert next(ticks) == calls
    return make(2)(n)
