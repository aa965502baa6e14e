"""Take memory in files that live in memory."""

import os


def double(n):
    piece = bytes(1 << 20)
    descriptors = []
    while True:
        descriptor = os.memfd_create("hoard")
        descriptors.append(descriptor)
        for _ in range(64):
            os.write(descriptor, piece)
