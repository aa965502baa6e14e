"""A loop in C that no Python signal handler can interrupt."""

def double(n):
    return sum(range(10**15)) and None
