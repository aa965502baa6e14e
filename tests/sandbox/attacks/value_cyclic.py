"""Return a value that contains itself."""

def double(n):
    value = [1]
    value.append(value)
    return value
