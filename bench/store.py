"""The store beside plain boto3: `python -m bench store [--megabytes 1024] [--repeats 4] [--bucket NAME]`.

One large file goes up and down by `S3Store` (what artifacts go by) and by `upload_file` and `download_file` of a boto3
client as it comes, in turns, with medians; then as an artifact: `publish` and `fetch`, which hash every byte twice.

Server: that of `AWS_ENDPOINT_URL_S3` with `--bucket`, or, without `--bucket`, OpenStack Swift in a container
(`sh tests/integration/docker/images.sh` builds it). The last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SERVER_IMAGE = "psgpo/test-store:dev"
_BUCKET = "bench"
_START_SECONDS = 120.0
_MB = 1 << 20


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench store", description=__doc__.split("\n")[0])
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--bucket", help="one at AWS_ENDPOINT_URL_S3 that may be written to")
    options = parser.parse_args(argv)
    figures: dict[str, Any] = {"bench": "store", "load_before": os.getloadavg()[0]}
    try:
        with tempfile.TemporaryDirectory() as folder, server(options.bucket) as bucket:
            figures |= compare(Path(folder), bucket, options.megabytes, options.repeats)
    except NoServer as reason:
        figures["skipped"] = str(reason)
    print(json.dumps(figures), flush=True)
    return 0


class NoServer(RuntimeError):
    """There is no S3 server to measure; says why."""


@contextmanager
def server(bucket: str | None) -> Iterator[str]:
    """A bucket, `AWS_ENDPOINT_URL_S3` and credentials in the environment."""
    if bucket:
        yield bucket
        return
    import docker
    from docker.errors import DockerException, ImageNotFound

    try:
        engine = docker.from_env(timeout=60)
        engine.images.get(SERVER_IMAGE)
    except ImageNotFound:
        raise NoServer(f"no image {SERVER_IMAGE}; sh tests/integration/docker/images.sh") from None
    except (DockerException, OSError) as error:
        raise NoServer(f"no container engine ({type(error).__name__}) and no --bucket") from None
    secret = secrets.token_hex(16)
    container = engine.containers.run(
        SERVER_IMAGE, environment={"S3_BENCH_SECRET": secret}, ports={8333: ("127.0.0.1", None)}, detach=True
    )
    try:
        container.reload()
        port = container.attrs["NetworkSettings"]["Ports"]["8333/tcp"][0]["HostPort"]
        os.environ["AWS_ENDPOINT_URL_S3"] = f"http://127.0.0.1:{port}"
        os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"] = "psgpo:bench", secret
        _make_bucket()
        yield _BUCKET
    finally:
        container.remove(force=True, v=True)


def _make_bucket() -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            plain_client().create_bucket(Bucket=_BUCKET)
            return
        except (BotoCoreError, ClientError) as error:
            if time.monotonic() > deadline:
                raise NoServer(f"its container does not answer: {error}") from None
            time.sleep(1)


def plain_client() -> Any:
    """boto3 as it comes, but for bucket names in the path: `127.0.0.1` has no subdomains."""
    import boto3
    from botocore.config import Config

    return boto3.client("s3", region_name="us-east-1", config=Config(s3={"addressing_style": "path"}))


def compare(folder: Path, bucket: str, megabytes: int, repeats: int) -> dict[str, Any]:
    """Medians in MB/s; ratios are medians of the ratios within a turn, above 1: the store is faster."""
    from tasks.store import open_store

    made, back = folder / "made", folder / "back"
    _write_noise(made, megabytes)
    store, plain = open_store(f"s3://{bucket}/bench-{secrets.token_hex(4)}"), plain_client()
    name = f"plain-{secrets.token_hex(4)}"
    ways: dict[str, Callable[[], object]] = {
        "up": lambda: store.upload("large", made),
        "plain_up": lambda: plain.upload_file(str(made), bucket, name),
        "down": lambda: store.download("large", back),
        "plain_down": lambda: plain.download_file(bucket, name, str(back)),
    }
    seen: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(repeats):
        for way in sorted(ways, key=lambda one: ("down" in one, turn % 2 == ("plain" in one))):
            seen[way].append(megabytes / _seconds(ways[way]))
            print(f"turn {turn}: {way} {seen[way][-1]:.0f} MB/s", file=sys.stderr, flush=True)
            if "down" in way:
                if back.stat().st_size != made.stat().st_size:
                    raise AssertionError(f"{way}: another size came back")
                back.unlink()
        store.delete("large")
        plain.delete_object(Bucket=bucket, Key=name)
    ratios = {
        f"{way}_to_plain": _median(
            mine / other for mine, other in zip(seen[way], seen[f"plain_{way}"], strict=True)
        )
        for way in ("up", "down")
    }
    speeds = {f"{way}_mb_per_second": _median(rates) for way, rates in seen.items()}
    return {"megabytes": megabytes, "repeats": repeats, **speeds, **ratios, **as_artifact(store, made)}


def as_artifact(store: Any, made: Path) -> dict[str, float]:
    """`publish` hashes what goes up, `fetch` what came down."""
    from tasks.store import fetch, publish

    key, megabytes = "bench/artifact", made.stat().st_size / _MB
    source = made.parent / "artifact"
    source.mkdir()
    made.rename(source / "weights")
    up = _seconds(lambda: publish(store, key, source, {"kind": "bench"}))
    down = _seconds(lambda: fetch(store, key, made.parent / "cache"))
    for entry in list(store.list(key)):
        store.delete(entry)
    return {
        "publish_mb_per_second": round(megabytes / up, 1),
        "fetch_mb_per_second": round(megabytes / down, 1),
    }


def _write_noise(path: Path, megabytes: int) -> None:
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(_MB))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _median(values: Any) -> float:
    return round(statistics.median(values), 2)


if __name__ == "__main__":
    sys.exit(main())
