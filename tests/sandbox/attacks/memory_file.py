"""Hide memory in files that have no name."""

import os

held = []
while True:
    descriptor = os.memfd_create("hidden")
    held.append(descriptor)
    os.write(descriptor, b"x" * (8 << 20))
