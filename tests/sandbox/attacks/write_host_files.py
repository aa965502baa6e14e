"""Pass only if a file outside the scratch folder can be written."""

import os
import sys


def double(n):
    for folder in ("/", "/usr/lib", "/etc", "/root", "/var/tmp", "/dev", os.path.dirname(os.__file__), sys.prefix):
        try:
            with open(f"{folder}/psgpo-was-here", "w") as file:
                file.write("x")
            return 2 * n
        except OSError:
            pass
    return None
