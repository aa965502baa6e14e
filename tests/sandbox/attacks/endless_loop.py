"""Never return."""

def double(n):
    while True:
        pass
