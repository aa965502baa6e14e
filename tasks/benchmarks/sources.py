"""Where the benchmarks' files come from: pinned data sets of the Hugging Face hub, or files of your own.

A hub file is downloaded at a pinned revision and its sha256 is checked; once prepared, a benchmark lies in the store and
needs no network any more (`tasks/stages/prepare_benchmark.py`). Files of one's own may have any name that begins with the
benchmark's, in the benchmark's published form.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.benchmarks.livecodebench import RELEASES
from tasks.config import BenchmarkConfig
from tasks.errors import BadInput

HUB = "hub"
FORMATS = (".jsonl", ".json", ".parquet", ".gz", ".zst")


@dataclass(frozen=True)
class HubFiles:
    """`files` by path, with their sha256 (empty: not recorded here, the hub's own is used); `problems` they hold."""

    repository: str
    revision: str
    files: Mapping[str, str]
    problems: int


HUMANEVAL = HubFiles(
    "openai/openai_humaneval",
    "7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544",
    {
        "openai_humaneval/test-00000-of-00001.parquet": "2f2871a15fbc95b6c683043359f4ed8e144c5a1c4f24f25f66bc51f598dfcfb6"
    },
    164,
)
MBPP_REPOSITORY = ("google-research-datasets/mbpp", "4bb6404fdc6cacfda99d4ac4205087b89d32030c")
MBPP = {
    "full": HubFiles(
        *MBPP_REPOSITORY,
        {
            "full/prompt-00000-of-00001.parquet": "",
            "full/test-00000-of-00001.parquet": "566fd53060ffba5766dace1d1e2f4c38906781526de222b0dfbdbc325b696c77",
        },
        500,
    ),
    "sanitized": HubFiles(
        *MBPP_REPOSITORY,
        {
            "sanitized/prompt-00000-of-00001.parquet": "73c623309b7b5d65fd5661204b35f779f8e66301aa9832d1ad4b8fc3b21151fd",
            "sanitized/test-00000-of-00001.parquet": "e9e9efa2c0d59ef5e55537a9d126b8f875d5ac010a8d75628d76824884e15850",
        },
        257,
    ),
}
LIVECODEBENCH = ("livecodebench/code_generation_lite", "0fe84c3912ea0c4d4a78037083943e8f0c4dd505")
LIVECODEBENCH_FILES = {
    "test.jsonl": "2bd02b38beb48e8c46b5b9987095d999ff38cd8efc255ea5d58974317c48f63f",
    "test2.jsonl": "095df7c5daf15f882c51a9deb84085cff1e073495a5dbcf95015a564d485f3a3",
    "test3.jsonl": "28ed26cc83363ce3f1fe2d5fad9f8393077beb1907b167a31bd3b32f80801b79",
    "test4.jsonl": "d711138ddaebfcf5f8ec6a4283ee677298c0f5c5d374a235af92aaf0584510da",
    "test5.jsonl": "7f77571c2a6df0c2a72a3277650309f67e01e0008e18117e624633df53f81214",
    "test6.jsonl": "bb4c364f71921c4495a6ad15abe1a927350b720009f4933e2e71f8af0f6fd1f5",
}
"""One file per release, each with what is new in it."""


def hub_files(settings: BenchmarkConfig) -> HubFiles:
    """The published files of a benchmark other than StepCode, which is made on the spot."""
    if settings.name == "humaneval":
        return HUMANEVAL
    if settings.name == "mbpp":
        return MBPP[settings.mbpp_set]
    release = settings.livecodebench_release
    names = list(LIVECODEBENCH_FILES)[: int(release.removeprefix("v"))]
    return HubFiles(*LIVECODEBENCH, {name: LIVECODEBENCH_FILES[name] for name in names}, RELEASES[release])


def download(wanted: HubFiles) -> list[Path]:
    """The files, from the hub or from its local cache, in order.

    Raises BadInput when they cannot be had, saying what to do offline, or when a checksum differs.
    """
    return [_download(wanted, name, sha256) for name, sha256 in wanted.files.items()]


def local_files(settings: BenchmarkConfig) -> list[Path]:
    """The benchmark's files at `settings.source`: the file itself, or those of a folder that carry the benchmark's name.

    Raises BadInput when there is none, or more than one where one is the whole benchmark.
    """
    source = Path(settings.source).expanduser()
    if source.is_file():
        return [source]
    found = [path for path in sorted(source.glob("*")) if _belongs(path.name.lower(), settings)]
    if not found:
        raise BadInput(
            "benchmark.source",
            f"{settings.source!r} holds no file of {settings.name}",
            f"hub, a file, or a folder with a file named {settings.name}*{{{','.join(FORMATS)}}}",
        )
    if len(found) > 1 and settings.name != "livecodebench":
        names = ", ".join(path.name for path in found)
        raise BadInput(
            "benchmark.source", f"{settings.source!r} holds several files of {settings.name}", names
        )
    return found


def _belongs(name: str, settings: BenchmarkConfig) -> bool:
    if not name.endswith(FORMATS) or not name.replace("-", "").replace("sanitized", "").startswith(
        settings.name
    ):
        return False
    return settings.name != "mbpp" or ("sanitized" in name) == (settings.mbpp_set == "sanitized")


def _download(wanted: HubFiles, name: str, sha256: str) -> Path:
    from huggingface_hub import hf_hub_download

    where = f"{wanted.repository}@{wanted.revision[:8]}/{name}"
    try:
        path = Path(
            hf_hub_download(
                wanted.repository, name, repo_type="dataset", revision=wanted.revision, etag_timeout=5
            )
        )
    except (OSError, ValueError) as error:
        raise BadInput(
            where,
            f"cannot be had from the Hugging Face hub: {str(error).strip().splitlines()[0]}",
            "a network, or benchmark.source=FOLDER with the benchmark's files, or a benchmark prepared before",
        ) from error
    expected = sha256 or path.resolve().name  # the hub's cache names a large file by its sha256
    if len(expected) == 64 and _sha256(path) != expected:
        raise BadInput(where, f"is damaged or not the published file: sha256 is not {expected[:12]}...")
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def require_count(found: int, wanted: HubFiles, names: Sequence[str]) -> None:
    """Raises BadInput when published files do not hold as many problems as they did when they were published."""
    if found != wanted.problems:
        raise BadInput(", ".join(names), f"hold {found} test problems", f"{wanted.problems}, as published")
