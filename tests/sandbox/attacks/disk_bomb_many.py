"""Write endlessly many files."""

import itertools


def double(n):
    for number in itertools.count():
        with open(f"/tmp/file{number}", "wb") as file:
            file.write(bytes(1 << 16))
