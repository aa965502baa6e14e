"""Pretend that the user pressed Ctrl-C."""

def double(n):
    raise KeyboardInterrupt
