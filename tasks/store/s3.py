"""A store in a bucket of any S3-compatible server: `s3://bucket/prefix`.

Server, region and credentials come from boto3's usual places (`AWS_ENDPOINT_URL_S3`, `AWS_ACCESS_KEY_ID`, ...). Artifacts
are complete or absent only if the server honours `If-None-Match: *`; some ignore it silently, so opening a store proves
it and refuses such a server.

A server that is away, or not well (5xx), after all tries means "try again" (TryAgain); one that refuses is bad input.
"""

from __future__ import annotations

import base64
import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import RetriesExceededError, S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)

from tasks.errors import BadInput, TryAgain
from tasks.store.entry import Entry
from tasks.store.progress import TransferProgress

PROBE_KEY = "_probe/if-none-match"
DELETED_AT_ONCE = 1000  # the protocol's limit
CONFLICT_TRIES = 5
READ_TRIES = 5  # of a body that breaks off: the client itself tries only what has not begun
_AWAY = (ConnectionError, HTTPClientError, IncompleteReadError, RetriesExceededError)
_PART_BYTES = 64 << 20
_TRANSFER = TransferConfig(
    multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES, max_concurrency=4
)
_CLIENT = Config(
    # since boto3 1.36 every put carries a checksum that many servers reject
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
    s3={"addressing_style": "path"},
    retries={"mode": "standard", "max_attempts": 6},
    connect_timeout=5,
    read_timeout=60,
    max_pool_connections=16,  # four files at once, in four parts each
)


class S3Store:
    """`tasks.store.stores.Store` on a bucket and prefix."""

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        self.bucket, _, self.prefix = self.uri.removeprefix("s3://").partition("/")
        session = boto3.Session()
        try:
            self.client = session.client("s3", config=_CLIENT, region_name=session.region_name or "us-east-1")
            self.client.meta.events.register("before-sign.s3.DeleteObjects", _with_md5)
            with self._reaching():
                self._probe()
        except (ClientError, BotoCoreError, ValueError) as error:
            raise BadInput(
                f"store {self.uri}",
                f"cannot be written: {_reason(error)}",
                "a bucket you may write to, with AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            ) from None

    def put_if_absent(self, key: str, data: bytes) -> bool:
        for attempt in range(CONFLICT_TRIES):
            try:
                with self._reaching(conflict=attempt == CONFLICT_TRIES - 1):
                    self.client.put_object(Bucket=self.bucket, Key=self._key(key), Body=data, IfNoneMatch="*")
                return True
            except ClientError as error:
                if _status(error) == 412:
                    return False
                if _status(error) != 409:
                    raise
                time.sleep(0.05 * 2**attempt)  # another writer is at it: one of us will find the key there
        raise AssertionError("unreachable")

    def upload(self, key: str, path: Path) -> None:
        progress = TransferProgress(f"up {key}", path.stat().st_size)
        with self._reaching():
            self.client.upload_file(
                str(path), self.bucket, self._key(key), Config=_TRANSFER, Callback=progress
            )

    def download(self, key: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        progress = TransferProgress(f"down {key}")
        try:
            with self._reaching():
                self.client.download_file(
                    self.bucket, self._key(key), str(path), Config=_TRANSFER, Callback=progress
                )
        except ClientError as error:
            raise _missing(error, key) from None

    def read(self, key: str) -> bytes:
        try:
            with self._reaching():
                return self._read(self._key(key))
        except ClientError as error:
            raise _missing(error, key) from None

    def _read(self, key: str) -> bytes:
        for attempt in range(READ_TRIES - 1):
            try:
                return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            except (HTTPClientError, IncompleteReadError, ResponseStreamingError):
                time.sleep(0.05 * 2**attempt)
        return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def exists(self, key: str) -> bool:
        try:
            with self._reaching():
                self.client.head_object(Bucket=self.bucket, Key=self._key(key))
        except ClientError as error:
            if _status(error) == 404:
                return False
            raise
        return True

    def list(self, prefix: str) -> Iterator[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self._key(prefix) + "/"
        )
        cut = len(self._key("x")) - 1
        with self._reaching():
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield entry["Key"][cut:]

    def entries(self) -> Iterator[Entry]:
        below = f"{self.prefix}/" if self.prefix else ""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=below)
        with self._reaching():
            for page in pages:
                for one in page.get("Contents", ()):
                    yield Entry(one["Key"][len(below) :], one["Size"], one["LastModified"].timestamp())

    def delete(self, key: str) -> None:
        with self._reaching():
            self.client.delete_object(Bucket=self.bucket, Key=self._key(key))

    def delete_all(self, keys: Sequence[str]) -> None:
        for first in range(0, len(keys), DELETED_AT_ONCE):
            named = [{"Key": self._key(key)} for key in keys[first : first + DELETED_AT_ONCE]]
            with self._reaching():
                answer = self.client.delete_objects(
                    Bucket=self.bucket, Delete={"Objects": named, "Quiet": True}
                )
            if refused := answer.get("Errors"):
                raise BadInput(
                    f"store {self.uri}",
                    f"{len(refused)} keys are not removed: {refused[0]['Key']}: {refused[0].get('Code')}",
                    "a role that may remove them",
                )

    def local_path(self, key: str) -> Path | None:
        return None

    @contextmanager
    def _reaching(self, *, conflict: bool = True) -> Iterator[None]:
        """Inside, what a later try may mend is TryAgain; a `conflict` (409) only where nobody waits it out."""
        try:
            yield
        except (S3UploadFailedError, ClientError, *_AWAY) as error:
            cause = error.__context__ if isinstance(error, S3UploadFailedError) else error
            refused = isinstance(cause, ClientError) and not _may_pass(cause, conflict)
            if cause is None or refused:
                raise
            raise TryAgain(f"store {self.uri}: {_reason(cause)}") from None

    def _key(self, key: str) -> str:
        if ".." in key.split("/") or key.startswith("/"):
            raise BadInput(f"store key {key!r}", "leaves the store", "a relative path without ..")
        return f"{self.prefix}/{key}" if self.prefix else key

    def _probe(self) -> None:
        """Two conditional puts of one key: the second must fail (the first does, too, from the second start on)."""
        if self.put_if_absent(PROBE_KEY, b"") and self.put_if_absent(PROBE_KEY, b""):
            raise BadInput(
                f"store {self.uri}",
                "its server ignores `If-None-Match`, so two jobs could overwrite each other's artifacts",
                "a server with conditional writes, such as SeaweedFS from 4.17 on",
            )


def open_s3(uri: str) -> S3Store:
    """One client per store and server in a process: a stage opens the store of every input."""
    return _open(uri, os.environ.get("AWS_ENDPOINT_URL_S3", ""))


@lru_cache(maxsize=8)
def _open(uri: str, endpoint: str) -> S3Store:
    return S3Store(uri)


def _with_md5(request: Any, **_: Any) -> None:
    """The protocol's own checksum: servers that do not know the newer ones refuse a list of keys without it."""
    request.headers["Content-MD5"] = base64.b64encode(
        hashlib.md5(request.data, usedforsecurity=False).digest()
    ).decode()


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _may_pass(error: ClientError, conflict: bool) -> bool:
    status = _status(error)
    return status >= 500 or status in (408, 429) or (status == 409 and conflict)


def _missing(error: ClientError, key: str) -> Exception:
    return FileNotFoundError(key) if _status(error) == 404 else error


def _reason(error: BaseException) -> str:
    """Why, in words that hold no credentials: a server's messages may repeat what it was sent."""
    if isinstance(error, ClientError):
        return (
            f"the server answers {_status(error)} {error.response.get('Error', {}).get('Code', '')}".rstrip()
        )
    return f"{type(error).__name__}: {error}"
