"""Ends the interpreter in a main guard."""

import sys


def double(n):
    return 2 * n


if __name__ == "__main__":
    for line in sys.stdin:
        print(double(int(line)))
    sys.exit(0)
