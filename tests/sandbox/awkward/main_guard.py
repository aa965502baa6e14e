"""Has a main guard that must not run where functions are tested."""


def double(n):
    return 2 * n


def main():
    raise RuntimeError("nobody asked for main")


if __name__ == "__main__":
    main()
