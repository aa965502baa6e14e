"""The exit function of the interactive interpreter."""

def double(n):
    exit(0)
