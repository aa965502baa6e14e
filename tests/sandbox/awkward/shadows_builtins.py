"""Uses names of builtins for its own things."""

list = [1, 2, 3]
str = "text"
id = len(list)
input = None
json = {"a": 1}


def sum(*values):
    total = 0
    for value in values:
        total += value
    return total


def double(n):
    return sum(n, n)
