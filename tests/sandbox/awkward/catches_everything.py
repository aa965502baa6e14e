"""Catches all exceptions of its own."""


def double(n):
    try:
        raise SystemExit(3)
    except BaseException:
        pass
    try:
        double.missing
    except Exception:
        return 2 * n
