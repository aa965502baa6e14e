"""A store on local disk: `file:///path`.

Folders come and go under way: whoever finishes a stage removes its checkpoints, also when a second process still works on
the same stage.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from tasks.errors import BadInput
from tasks.store.entry import Entry


class LocalStore:
    """`tasks.store.stores.Store` on a folder. Writes go to a temporary file beside the target, then move."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uri = f"file://{root}"
        try:
            root.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=root, prefix=".probe-"):
                pass
        except OSError as error:
            raise BadInput(
                f"store {self.uri}", f"cannot be written: {error}", "a folder you may write to"
            ) from error

    def put_if_absent(self, key: str, data: bytes) -> bool:
        return _in_folder(lambda: self._put_if_absent(self._path(key), data))

    def _put_if_absent(self, target: Path, data: bytes) -> bool:
        with _beside(target) as temporary:
            temporary.write_bytes(data)
            try:
                # fails if the target exists: create-if-absent, whole or not at all
                os.link(temporary, target)
            except FileExistsError:
                return False
        return True

    def upload(self, key: str, path: Path) -> None:
        _in_folder(lambda: self._upload(self._path(key), path))

    def _upload(self, target: Path, path: Path) -> None:
        with _beside(target) as temporary:
            shutil.copyfile(path, temporary)
            os.replace(temporary, target)

    def download(self, key: str, path: Path) -> None:
        with _beside(path) as temporary:
            shutil.copyfile(self._path(key), temporary)
            os.replace(temporary, path)

    def read(self, key: str) -> bytes:
        return self._path(key).read_bytes()

    def exists(self, key: str) -> bool:
        return self._path(key).is_file()

    def list(self, prefix: str) -> Iterator[str]:
        yield from sorted(
            Path(file).relative_to(self.root).as_posix() for file, _ in _files(self._path(prefix))
        )

    def entries(self) -> Iterator[Entry]:
        skipped = len(os.fspath(self.root)) + 1
        for path, about in _files(self.root):
            yield Entry(path[skipped:], about.st_size, about.st_mtime)

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def delete_all(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.delete(key)

    def local_path(self, key: str) -> Path | None:
        return self._path(key)

    def _path(self, key: str) -> Path:
        path = (self.root / key).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise BadInput(f"store key {key!r}", "leaves the store", "a relative path without ..")
        return path


_TEMPORARY = ".writing-"
_TRIES = 100  # each takes well under a millisecond, and a removal in between is rare
T = TypeVar("T")


def _in_folder(write: Callable[[], T]) -> T:
    """Again when the target's folder was taken away between making it and writing into it."""
    for _ in range(_TRIES - 1):
        with suppress(FileNotFoundError):
            return write()
    return write()


def _files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Every whole file below a folder; what vanishes meanwhile is not there."""
    folders = [os.fspath(folder)]
    while folders:
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folders.pop()) as found:
            for one in found:
                if one.is_dir(follow_symlinks=False):
                    folders.append(one.path)
                elif not one.name.startswith(_TEMPORARY):
                    with suppress(FileNotFoundError):
                        yield one.path, one.stat(follow_symlinks=False)


class _beside:  # noqa: N801 - reads as a verb: `with _beside(target) as temporary`
    """A temporary path in the target's folder, removed afterwards if it is still there."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __enter__(self) -> Path:
        self.target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.target.parent, prefix=_TEMPORARY)
        os.close(handle)
        os.chmod(name, 0o644)
        self.temporary = Path(name)
        return self.temporary

    def __exit__(self, *exc: object) -> None:
        self.temporary.unlink(missing_ok=True)
