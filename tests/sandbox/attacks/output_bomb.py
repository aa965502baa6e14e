"""Print without end."""

def double(n):
    while True:
        print("y" * 100_000)
