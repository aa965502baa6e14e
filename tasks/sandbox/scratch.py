"""The folder a program may write to: emptied after each one."""

from __future__ import annotations

import os
import stat


def empty(path: str) -> None:
    """Remove all that is in `path`, however deep and whatever its rights. Raises OSError when something resists.

    Folders inside folders are moved up before they are emptied, so no path is ever longer than one name.
    """
    root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        names = os.listdir(root)
        mark = os.urandom(8).hex() if names else ""
        moved = 0
        while names:
            name = names.pop()
            if not _is_folder(name, root):
                os.unlink(name, dir_fd=root)
                continue
            for inner in _take_apart(name, root):
                above = f"{mark}{moved}"
                os.rename(f"{name}/{inner}", above, src_dir_fd=root, dst_dir_fd=root)
                names.append(above)
                moved += 1
            os.rmdir(name, dir_fd=root)
    finally:
        os.close(root)


def _is_folder(name: str, parent: int) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)


def _take_apart(name: str, root: int) -> list[str]:
    """Remove the files in folder `name`; the names of the folders in it, which may now be moved."""
    os.chmod(name, 0o700, dir_fd=root)
    folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root)
    folders = []
    try:
        for inner in os.listdir(folder):
            if _is_folder(inner, folder):
                os.chmod(inner, 0o700, dir_fd=folder)
                folders.append(inner)
            else:
                os.unlink(inner, dir_fd=folder)
    finally:
        os.close(folder)
    return folders
