"""Taking away what nobody needs, quickly: one artifact by itself is `tasks.store.artifacts.discard`.

On a disk a folder is first moved into the store's trash, so that it is gone at once and whole, and then removed. Over a
network there are no folders: the store is listed once, and keys are removed a thousand at a time, all manifests before
everything else. Stopped in the middle, either can be done again: an artifact without its manifest does not exist.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tasks.maintenance.leftovers import CHECKPOINTS, Leftovers
from tasks.store import Store
from tasks.store.artifacts import MANIFEST

TRASH = "_trash"
_BATCH = 1000
_AT_ONCE = 8
"""A folder that is removed waits for the disk's journal, on a busy machine for milliseconds: several wait together."""


def remove(store: Store, leftovers: Leftovers, on_removed: Callable[[int], None] = lambda _: None) -> None:
    """Take all of them away; `on_removed(bytes)` as they go."""
    if (root := store.local_path("")) is not None:
        _move_away(root, leftovers, on_removed)
    else:
        _delete(store, leftovers, on_removed)


def _move_away(root: Path, leftovers: Leftovers, on_removed: Callable[[int], None]) -> None:
    trash = root / TRASH
    shutil.rmtree(trash, ignore_errors=True)  # of somebody who was stopped
    trash.mkdir()

    def take(numbered: tuple[int, tuple[str, int]]) -> int:
        number, (key, size) = numbered
        gone = trash / str(number)
        try:
            os.rename(root / key, gone)
        except FileNotFoundError:  # a stage has cleared its own checkpoints meanwhile
            return 0
        _clear(gone)
        return size

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for size in threads.map(take, enumerate(leftovers.items())):
            on_removed(size)
    trash.rmdir()


def _clear(folder: str | Path) -> None:
    """`shutil.rmtree` guards against others who move things meanwhile, and takes longer; nobody else is in the trash."""
    with os.scandir(folder) as found:
        for one in found:
            if one.is_dir(follow_symlinks=False):
                _clear(one.path)
            else:
                os.unlink(one.path)
    os.rmdir(folder)


def _delete(store: Store, leftovers: Leftovers, on_removed: Callable[[int], None]) -> None:
    wanted = {key for key, _ in leftovers.items()}
    found = [entry for entry in store.entries() if _folder(entry.key) in wanted]
    found.sort(key=lambda entry: not entry.key.endswith(f"/{MANIFEST}"))
    for first in range(0, len(found), _BATCH):
        batch = found[first : first + _BATCH]
        store.delete_all([entry.key for entry in batch])
        on_removed(sum(entry.size for entry in batch))


def _folder(key: str) -> str:
    """Of the leftover that a key would belong to."""
    parts = key.split("/", 3)
    return "/".join(parts[: 2 if parts[0] == CHECKPOINTS else 3])
