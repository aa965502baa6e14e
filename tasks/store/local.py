"""A store on local disk: `file:///path`."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

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
        target = self._path(key)
        with _beside(target) as temporary:
            temporary.write_bytes(data)
            try:
                os.link(
                    temporary, target
                )  # fails if the target exists: create-if-absent, whole or not at all
            except FileExistsError:
                return False
        return True

    def upload(self, key: str, path: Path) -> None:
        target = self._path(key)
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
        folder = self._path(prefix)
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            if not path.name.startswith(_TEMPORARY):
                yield path.relative_to(self.root).as_posix()

    def entries(self) -> Iterator[Entry]:
        folders = [(os.fspath(self.root), "")]
        while folders:
            folder, prefix = folders.pop()
            with os.scandir(folder) as found:
                for one in found:
                    if one.is_dir(follow_symlinks=False):
                        folders.append((one.path, f"{prefix}{one.name}/"))
                    elif not one.name.startswith(_TEMPORARY):
                        about = one.stat(follow_symlinks=False)
                        yield Entry(prefix + one.name, about.st_size, about.st_mtime)

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
