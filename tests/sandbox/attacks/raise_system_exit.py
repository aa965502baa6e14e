"""SystemExit without sys."""

def double(n):
    raise SystemExit
