"""One arithmetic operation that takes for ever."""

def double(n):
    return (10 ** (10**9)) % 7
