"""Small files that want to be large, names that lead elsewhere, links: each is refused by name, within bounded memory."""

from __future__ import annotations

import base64
import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import zstandard

from tasks.benchmarks import livecodebench
from tasks.benchmarks.importers import load_problems
from tasks.errors import BadInput
from tasks.profiles import load_config
from tasks.store import fetch, open_store, publish
from tasks.store.artifacts import _render, seal_of
from tests.chaos.readers import ROWS

LONG = 100 << 20  # bytes of one line
MOST_MEMORY = 400 << 20
PACKED = {
    "": lambda data: data,
    ".gz": lambda data: gzip.compress(data, 1),
    ".zst": zstandard.ZstdCompressor().compress,
}


def bombs(folder: Path) -> Iterator[tuple[str, Callable[[], object], str]]:
    """`(what, read it, what the refusal must name)`."""
    line = b'{"problem_id": "' + b"x" * LONG
    for ending, pack in PACKED.items():
        path = folder / f"long.jsonl{ending}"
        path.write_bytes(pack(line))
        yield f"line of 100 MB {ending}", lambda path=path: list(load_problems(path)), f"{path}:1"
    path = folder / "livecodebench.jsonl"
    private = base64.b64encode(zlib.compress(b"\x80\x04X" + b"\xff" * 4 + b" " * (4 << 20), 9)).decode()
    path.write_text(json.dumps({**ROWS["LiveCodeBench"], "private_test_cases": private}))
    yield "tests that unpack to more than is allowed", lambda: _with_small_tests(path), f"{path}:1"
    yield "YAML of aliases", lambda: load_config(_billion_laughs(folder)), "sft.epochs"
    for name in ("../outside", "/etc/hostname", "a/../../b"):
        yield f"manifest that names {name}", lambda name=name: _fetch_named(folder, name), name
    (folder / "linked").mkdir()
    (folder / "linked" / "link").symlink_to("/etc/hostname")
    store = open_store(f"file://{folder}/store")
    yield "link in an artifact", lambda: publish(store, "linked", folder / "linked", {}), "link"
    yield "link put into the store", lambda: _fetch_link(folder), "file"


def refused(read: Callable[[], object], names: str) -> str:
    """Empty when it is refused by name within bounded memory; else what happened."""
    tracemalloc.start()
    try:
        read()
    except BadInput as refusal:
        _, most = tracemalloc.get_traced_memory()
        if names not in str(refusal):
            return f"the refusal does not name {names}: {refusal!s:.200}"
        return "" if most < MOST_MEMORY else f"{most >> 20} MB were used"
    finally:
        tracemalloc.stop()
    return "it was read"


def _with_small_tests(path: Path) -> None:
    whole, livecodebench.LARGEST_TESTS = livecodebench.LARGEST_TESTS, 1 << 20
    try:
        list(livecodebench.problems(path))
    finally:
        livecodebench.LARGEST_TESTS = whole


def _billion_laughs(folder: Path) -> str:
    path = folder / "laughs.yaml"
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    path.write_text("sft:\n  epochs:\n    " + "\n    ".join(lines) + "\n")
    return str(path)


def _fetch_named(folder: Path, name: str) -> None:
    store = _published(folder, "named")
    path = folder / "store" / "named" / "_manifest.json"
    manifest = json.loads(path.read_bytes())
    manifest["files"] = {name: manifest["files"]["file"]}
    path.write_bytes(_render({**manifest, "seal": seal_of(manifest)}))
    fetch(store, "named", folder / "cache")


def _fetch_link(folder: Path) -> None:
    store = _published(folder, "link")
    (folder / "elsewhere").write_text("content")
    (folder / "store" / "link" / "file").unlink()
    (folder / "store" / "link" / "file").symlink_to(folder / "elsewhere")
    fetch(store, "link", folder / "cache")


def _published(folder: Path, key: str):  # type: ignore[no-untyped-def]
    store = open_store(f"file://{folder}/store")
    (folder / "plain").mkdir(exist_ok=True)
    (folder / "plain" / "file").write_text("content")
    (folder / "store" / key / "_manifest.json").unlink(missing_ok=True)
    publish(store, key, folder / "plain", {"kind": "toy"})
    return store
