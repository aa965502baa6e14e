"""Prints while it is loaded and while it is called."""

import sys

print("loading")
print("a warning", file=sys.stderr)


def double(n):
    print("called with", n, "\n" * 100)
    sys.stdout.write('{"value": 1}\n')
    sys.stderr.write("debug\n")
    return 2 * n
