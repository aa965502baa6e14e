"""What only an S3 server can get wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from botocore.config import Config

import tasks.store.s3 as s3_module
from tasks.errors import BadInput, TryAgain
from tasks.profiles import load_config
from tasks.stages.stage import Job, run_stage
from tasks.store import open_store
from tasks.store.s3 import S3Store
from tasks.verify import verify_chain
from tests.stages.toy import STAGE

MEGABYTE = 1 << 20


class FakeServer(BaseHTTPRequestHandler):
    """Answers every put as the test wants: a list of statuses, the last one repeated."""

    protocol_version = "HTTP/1.1"
    statuses: list[int]
    puts: list[str | None]

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.puts.append(self.headers.get("If-None-Match"))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        body = (
            f"<Error><Code>Planted{status}</Code><Message>secret is planted-secret</Message></Error>".encode()
        )
        self.send_response(status)
        self.send_header("Content-Length", str(0 if status == 200 else len(body)))
        self.end_headers()
        if status != 200:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeServer]]:
    handler = type("Handler", (FakeServer,), {"statuses": [200], "puts": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "planted-key-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted-secret")
    yield handler
    server.shutdown()


def test_a_server_that_ignores_if_none_match_is_refused(fake: type[FakeServer]) -> None:
    with pytest.raises(BadInput, match="ignores `If-None-Match`"):
        open_store("s3://bucket/prefix")
    assert fake.puts == ["*", "*"]


def test_a_server_that_honours_it_is_accepted_after_one_put(fake: type[FakeServer]) -> None:
    fake.statuses = [412]
    assert open_store("s3://bucket/prefix").uri == "s3://bucket/prefix"
    assert fake.puts == ["*"]


@pytest.mark.parametrize("status", [301, 400, 403, 404])
def test_a_server_that_refuses_us_is_named_without_credentials(fake: type[FakeServer], status: int) -> None:
    fake.statuses = [status]
    with pytest.raises(BadInput, match=f"{status} Planted{status}") as refused:
        open_store("s3://bucket/prefix")
    assert "planted-secret" not in str(refused.value)
    assert "planted-key-id" not in str(refused.value)
    assert refused.value.__cause__ is None  # the server's own words are not shown either


def test_no_server_and_no_credentials_are_bad_input(
    monkeypatch: pytest.MonkeyPatch, fake: type[FakeServer]
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with pytest.raises(BadInput, match="AWS_ACCESS_KEY_ID"):
        S3Store("s3://bucket")


def test_a_conflict_is_tried_again(fake: type[FakeServer]) -> None:
    fake.statuses = [412]
    store = open_store("s3://bucket/prefix")
    fake.statuses = [409, 409, 200]
    assert store.put_if_absent("key", b"x")
    fake.statuses = [409]
    with pytest.raises(TryAgain, match="store s3://bucket/prefix: the server answers 409"):
        store.put_if_absent("key", b"x")


def test_a_server_that_is_away_or_not_well_means_try_again_for_a_stage_too(
    fake: type[FakeServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tasks.store.s3._CLIENT", s3_module._CLIENT.merge(Config(retries={"max_attempts": 1}))
    )
    fake.statuses = [503]
    with pytest.raises(
        TryAgain, match="store s3://bucket/unwell: the server answers 503 Planted503"
    ) as unwell:
        open_store("s3://bucket/unwell")
    assert "planted-secret" not in str(unwell.value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    with pytest.raises(TryAgain, match="store s3://bucket/away: EndpointConnectionError"):
        open_store("s3://bucket/away")


def test_server_errors_are_tried_again(fake: type[FakeServer]) -> None:
    fake.statuses = [412]
    store = open_store("s3://bucket/prefix")
    fake.statuses = [503, 500, 200]
    assert store.put_if_absent("key", b"x")


class BreakingOff(BaseHTTPRequestHandler):
    """Sends half of what it promised, as often as the test wants."""

    protocol_version = "HTTP/1.1"
    breaks: int
    reads: int

    def do_PUT(self) -> None:
        self.send_response(412)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        type(self).reads += 1
        self.send_response(200)
        self.send_header("Content-Length", "10")
        self.end_headers()
        whole = self.reads > self.breaks
        self.wfile.write(b"0123456789" if whole else b"01234")
        if not whole:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("breaks", [0, 2])
def test_a_connection_that_drops_in_the_middle_is_tried_again(
    breaks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = type("Handler", (BreakingOff,), {"breaks": breaks, "reads": 0})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert open_store("s3://bucket/prefix").read("key") == b"0123456789"
    assert handler.reads == breaks + 1
    server.shutdown()


def test_a_connection_that_always_drops_means_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = type("Handler", (BreakingOff,), {"breaks": 99, "reads": 0})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with pytest.raises(TryAgain, match="store s3://bucket/prefix"):
        open_store("s3://bucket/prefix").read("key")
    server.shutdown()


def test_large_files_go_in_parts(s3: str, tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as handle:
        for number in range(70):
            handle.write(bytes([number]) * MEGABYTE)
    store = open_store(s3)
    assert isinstance(store, S3Store)
    store.upload("large", tmp_path / "large")
    etag = store.client.head_object(Bucket=store.bucket, Key=f"{store.prefix}/large")["ETag"]
    assert etag.endswith('-2"')
    store.download("large", tmp_path / "copy")
    assert (tmp_path / "copy").stat().st_size == 70 * MEGABYTE
    with (tmp_path / "copy").open("rb") as handle:
        handle.seek(69 * MEGABYTE)
        assert handle.read(3) == bytes([69]) * 3


def test_a_bucket_that_does_not_exist_is_refused(s3: str) -> None:
    with pytest.raises(BadInput, match="NoSuchBucket"):
        open_store("s3://another-bucket/prefix")


def test_a_stage_runs_in_a_bucket(s3: str) -> None:
    job = Job(load_config("demo", ["sft.epochs=3"]), {}, s3)
    made = run_stage(STAGE, job)
    assert run_stage(STAGE, job) == {**made, "cached": True}
    follower = Job(load_config("demo", ["sft.epochs=4"]), {"before": (made["artifact"],)}, s3)
    assert not run_stage(STAGE, follower)["cached"]
    assert [artifact.kind for artifact in verify_chain(run_stage(STAGE, follower)["artifact"])] == [
        "toy",
        "toy",
    ]
