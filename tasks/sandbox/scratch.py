"""The folder a program may write to: emptied after each one."""

from __future__ import annotations

import os
import stat

_DEEPEST = 300  # folders inside folders; more is an attack and costs the worker


def empty(path: str) -> None:
    """Remove all that is in `path`. Raises OSError when something resists."""
    with os.scandir(path) as entries:
        if next(entries, None) is None:
            return
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _empty(folder, 0)
    finally:
        os.close(folder)


def _empty(folder: int, depth: int) -> None:
    if depth > _DEEPEST:
        raise OSError(f"folders nested more than {_DEEPEST} deep")
    for name in os.listdir(folder):
        if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=folder)
            continue
        os.chmod(name, 0o700, dir_fd=folder)
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
        try:
            _empty(inner, depth + 1)
        finally:
            os.close(inner)
        os.rmdir(name, dir_fd=folder)
