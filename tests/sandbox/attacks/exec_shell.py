"""Run a shell."""

import subprocess


def double(n):
    return int(subprocess.check_output(["/bin/sh", "-c", f"echo $(({n} * 2))"]))
