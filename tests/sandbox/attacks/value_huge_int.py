"""Return an int with millions of digits."""

def double(n):
    return 1 << (8 * (1 << 20))
