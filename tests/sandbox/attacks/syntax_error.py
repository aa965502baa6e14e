"""Not a program."""

def double(n)
    return 2 * n
