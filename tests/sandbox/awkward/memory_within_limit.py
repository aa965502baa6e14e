"""Uses much memory, but less than the limit."""


def double(n):
    block = bytearray(100 << 20)
    block[-1] = 1
    return 2 * n * block[-1]
