"""Take all memory at once."""

def double(n):
    return len(bytearray(1 << 40))
