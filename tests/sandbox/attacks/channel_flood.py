"""Write to the channel without end, and never a whole message."""

import os
import struct

chunk = b"\0" * (1 << 20)


def double(n):
    os.write(3, struct.pack("!I", 1 << 20))
    while True:
        os.write(3, struct.pack("!I", 2) + b"{}" + chunk)


double(1)
