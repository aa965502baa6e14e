"""Reads lines only when it is the main program."""

import sys


def double(n):
    return n + n


def main():
    lines = sys.stdin.buffer.read().split()
    print("\n".join(str(double(int(line))) for line in lines))


if __name__ == "__main__":
    main()
