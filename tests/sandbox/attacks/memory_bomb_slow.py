"""Take memory piece by piece."""

def double(n):
    hoard = []
    while True:
        hoard.append(bytearray(1 << 22))
