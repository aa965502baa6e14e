"""Return an object whose reduction runs code."""

import os


class Bomb:
    def __reduce__(self):
        return (os.system, ("touch /tmp/harmed",))


def double(n):
    return Bomb()
