"""Return a value too large to send."""

def double(n):
    return "x" * (17 << 20)
