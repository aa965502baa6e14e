"""The object store fails in every way a network has, dies and comes back, is full, is damaged; the clock is wrong."""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from tasks.errors import BadInput, TryAgain
from tasks.store import Store, fetch, open_store, publish
from tests.chaos.proxy import FaultyWay
from tests.chaos.scene import Scene
from tests.chaos.tally import Tally
from tests.chaos.toys import ROOT, manifest_of, start_toy
from tests.conftest import free_port
from tests.servers import Server, http_answers

BUCKET = "chaos"
KEYS = {"AWS_ACCESS_KEY_ID": "chaos:tester", "AWS_SECRET_ACCESS_KEY": "chaos-secret"}
SWIFT = "CHAOS_SWIFT_PYTHON"
"""A Python that has `swift` (tests/integration/docker/store): the S3 server then keeps its data over a kill."""
FILES, SIZE = 6, 20_000


def faults(scene: Scene) -> Iterator[Tally]:
    port = free_port()
    server = s3_server(scene.folder / "s3", port)
    server.start()
    scene.closing.callback(server.stop)
    way = FaultyWay(port, scene.seed)
    scene.closing.callback(way.close)
    with environment(AWS_ENDPOINT_URL_S3=way.address, **KEYS):
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=BUCKET)
        for fault in way.faults:
            yield on_a_faulty_way(scene, way, fault)
        yield while_the_server_is_away(scene, server, way)
    yield damaged_files(scene)
    yield two_writers(scene)
    yield full_disk(scene)
    yield wrong_clock(scene)


def s3_server(folder: Path, port: int, secret: str = KEYS["AWS_SECRET_ACCESS_KEY"]) -> Server:
    """A real S3 server: Swift where there is one, moto (data in memory, any secret serves) otherwise."""
    if python := os.environ.get(SWIFT):
        script = ROOT / "tests/integration/docker/store/serve_swift.py"
        argv = [python, str(script), "--folder", str(folder), "--port", str(port), "--account", "chaos"]
        users = {"S3_TESTER_SECRET": secret}
        return Server(argv, users, folder, http_answers(f"http://127.0.0.1:{port}/healthcheck"))
    argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    return Server(argv, {}, folder, http_answers(f"http://127.0.0.1:{port}/"))


def on_a_faulty_way(scene: Scene, way: FaultyWay, fault: str, share: float = 0.25) -> Tally:
    """Publish and fetch, every fourth request being hit; a transfer that gives up is simply begun again."""
    tally, before = Tally(f"S3: {_WHAT[fault]}"), way.injected[fault]
    way.faults, way.share = (fault,), share
    try:
        for number in range(scene.times):
            _there_and_back(scene, f"{fault}-{number}", tally)
    finally:
        way.share = 0.0
    tally.injected = way.injected[fault] - before
    return tally


_WHAT = {
    "refuse": "connection reset before the request",
    "error": "503",
    "slow": "slow answers",
    "cut": "request or answer truncated",
    "unanswered": "request carried out, answer lost",
}


def _there_and_back(scene: Scene, name: str, tally: Tally) -> None:
    folder = _files(scene.folder / "made" / name, name)
    key = f"toy/{name}"
    manifest = _until_done(lambda: publish(_store(), key, folder, {"kind": "toy"}))
    found = _until_done(lambda: fetch(_store(), key, scene.folder / "cache" / name))
    same = found.content == manifest["content"] and _bytes(found.path) == _bytes(folder)
    tally.completed += tally.check(same, f"{name}: came back as something else")


def while_the_server_is_away(scene: Scene, server: Server, way: FaultyWay) -> Tally:
    """SIGKILL of the server during transfers, started again seconds later. moto would forget all: there the way is cut."""
    keeps = SWIFT in os.environ
    tally = Tally("S3: server killed and started again" if keeps else "S3: server unreachable for seconds")
    for number in range(scene.times):
        moment = random.Random(f"away/{scene.seed}/{number}").uniform(0.0, 0.3)

        def away(moment: float = moment) -> None:
            time.sleep(moment)
            if keeps:
                server.kill()
                time.sleep(2)
                server.start()
            else:
                way.down = True
                time.sleep(3)
                way.down = False

        thread = threading.Thread(target=away)
        thread.start()
        tally.injected += 1
        _there_and_back(scene, f"away-{number}", tally)
        thread.join()
    return tally


def damaged_files(scene: Scene) -> Tally:
    """Bytes changed or cut off in the store: found by hash, named, never used."""
    tally, store = Tally("store: file altered or truncated"), open_store(f"file://{scene.folder}/damage")
    generator = random.Random(f"damage/{scene.seed}")
    for number in range(scene.times):
        name = f"damaged-{number}"
        publish(store, name, _files(scene.folder / "made" / name, name), {"kind": "toy"})
        victim = generator.choice([f"file{i}" for i in range(FILES)] + ["_manifest.json"])
        path = scene.folder / "damage" / name / victim
        data = bytearray(path.read_bytes())
        if generator.random() < 0.5:
            data[generator.randrange(len(data))] ^= 1
        else:
            del data[generator.randrange(len(data)) :]
        path.write_bytes(data)
        tally.injected += 1
        tally.completed += tally.check(_refused(store, name, victim), f"{victim} was used although damaged")
    return tally


def _refused(store: Store, key: str, victim: str) -> bool:
    try:
        fetch(store, key, Path("/nonexistent"))
    except BadInput as refusal:
        return victim in str(refusal)
    return False


def two_writers(scene: Scene) -> Tally:
    """Two processes make one artifact at once: one wins, both succeed."""
    tally = Tally("store: two writers of one artifact")
    for number in range(scene.times):
        store = f"file://{scene.folder}/twins-{number}"
        twins = [start_toy(store, pause=0.02) for _ in range(2)]
        done = [(twin.communicate()[0], twin.returncode) for twin in twins]
        tally.injected += 1
        if tally.check([code for _, code in done] == [0, 0], f"exit codes {[code for _, code in done]}"):
            addresses = {json.loads(out)["artifact"] for out, _ in done}
            manifests = list(Path(store.removeprefix("file://")).glob("toy/*/*/_manifest.json"))
            tally.duplicated += max(len(addresses), len(manifests)) - 1
            tally.completed += 2
    return tally


def full_disk(scene: Scene) -> Tally:
    """No file may grow beyond some bytes: the stage ends with the cause, nothing is visible; then there is room again."""
    tally = Tally("store: disk full")
    for number in range(scene.times):
        store = f"file://{scene.folder}/full-{number}"
        # 40 bytes: not even a checkpoint's 64 fit; 200: they do, but no manifest
        full = start_toy(
            store,
            before=f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({(40, 200)[number % 2]}, -1))",
        )
        _, error = full.communicate()
        tally.injected += 1
        visible = list(Path(store.removeprefix("file://")).glob("toy/*/*/_manifest.json"))
        tally.check(
            full.returncode != 0 and "File too large" in error and not visible, f"{error[-300:]} {visible}"
        )
        again = start_toy(store)
        again.communicate()
        tally.completed += tally.check(again.returncode == 0, "did not run when there was room again")
    return tally


def wrong_clock(scene: Scene) -> Tally:
    """The clock is an hour ahead or behind: the same content, as nothing that is made depends on it."""
    tally = Tally("clock off by an hour")
    contents = set()
    for number, hours in enumerate((0, 1, -1)):
        before = f"import time; now = time.time; time.time = lambda: now() + {3600 * hours}"
        child = start_toy(f"file://{scene.folder}/clock-{number}", before=before)
        out, _ = child.communicate()
        tally.injected += hours != 0
        if tally.check(child.returncode == 0, f"{hours} h off: exit code {child.returncode}"):
            contents.add(manifest_of(out)["content"])
            tally.completed += hours != 0
    tally.check(len(contents) == 1, "the content depends on the clock")
    return tally


def _until_done(transfer: Callable[[], Any], patience: float = 60.0) -> Any:
    """What a retried job does. Only what says "try again" is tried again."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return transfer()
        except TryAgain:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def _store() -> Store:
    return open_store(f"s3://{BUCKET}/store")


def _files(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True)
    for number in range(FILES):
        (folder / f"file{number}").write_bytes(random.Random(f"{name}/{number}").randbytes(SIZE))
    return folder


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "_manifest.json"}


@contextmanager
def environment(**values: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
