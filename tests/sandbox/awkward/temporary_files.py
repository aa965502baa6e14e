"""Writes and reads temporary files."""

import os
import tempfile


def double(n):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "numbers.txt")
        with open(path, "w") as file:
            file.write(f"{n}\n{n}\n")
        with open(path) as file, open("here.txt", "w") as copy:
            copy.write(file.read())
    with open("here.txt") as file:
        return sum(int(line) for line in file)
