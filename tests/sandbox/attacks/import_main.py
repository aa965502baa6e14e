"""Tamper with __main__ of the process."""

import sys

main = sys.modules["__main__"]
for name in dir(main):
    try:
        setattr(main, name, lambda *args, **kwargs: True)
    except Exception:
        pass


def double(n):
    return True and None
