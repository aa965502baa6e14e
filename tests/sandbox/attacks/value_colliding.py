"""Return a dict whose keys all collide, to slow the reader."""

def double(n):
    return {number * (2**61 - 1): None for number in range(1, 20_000)}
