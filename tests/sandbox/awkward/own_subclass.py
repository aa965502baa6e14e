"""Returns an honest subclass of int."""


class Number(int):
    def __repr__(self):
        return f"Number({int(self)})"

    def __str__(self):
        return str(int(self))


def double(n):
    return Number(2 * n)
