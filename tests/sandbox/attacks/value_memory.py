"""Return a range that fits in a line and fills the memory of whoever lists it."""

def double(n):
    return range(10**9)
