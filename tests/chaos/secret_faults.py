"""Secrets are planted everywhere a run is given one, and searched for in everything it leaves behind."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import boto3

from tests.chaos.calls import CALLS, SMALL
from tests.chaos.scene import Scene
from tests.chaos.store_faults import BUCKET, environment, s3_server
from tests.chaos.tally import Tally
from tests.chaos.tracked import EXPERIMENT
from tests.conftest import free_port

PLANTED = {
    "AWS_ACCESS_KEY_ID": "chaos:tester",
    "AWS_SECRET_ACCESS_KEY": "planted-store-secret",
    "AWS_SESSION_TOKEN": "planted-store-token",
    "MLFLOW_TRACKING_USERNAME": "tester",
    "MLFLOW_TRACKING_PASSWORD": "planted-tracking-password",
    "AIRFLOW__CORE__FERNET_KEY": "planted-fernet-key",
    "AIRFLOW__API_AUTH__JWT_SECRET": "planted-jwt-secret",
    "AIRFLOW_CONN_PSGPO_AIRFLOW": "http://admin:planted-connection-password@127.0.0.1:1",
    "HF_TOKEN": "planted-hub-token",
}
SECRET = re.compile(rb"planted-[a-z]+-[a-z]+")


def faults(scene: Scene) -> Iterator[Tally]:
    """Problems, model and SFT with everything well; then each of the servers refusing or away, so that errors are told."""
    port = free_port()
    server = s3_server(scene.folder / "s3-secrets", port, PLANTED["AWS_SECRET_ACCESS_KEY"])
    server.start()
    scene.closing.callback(server.stop)
    tally, folder = Tally("secrets planted, and searched for in what a run leaves"), scene.folder / "secrets"
    folder.mkdir()
    planted = {
        **PLANTED,
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
        "PSGPO_CACHE": str(folder / "cache"),
    }
    with environment(**planted):
        client = boto3.Session().client("s3", region_name="us-east-1")  # the default one knows other keys
        client.create_bucket(Bucket=BUCKET)
        said = _run_stages(scene, planted, tally) + _run_into_errors(scene, planted, tally)
        stored = _objects(client)
    tally.injected = len(set(SECRET.findall(" ".join(PLANTED.values()).encode())))
    tally.check(len(said) > 1000 and len(stored) > 5, "there was nothing to search")
    places = {
        "output": said.encode(),
        **stored,
        **_files(folder / "cache"),
        **_files(scene.folder / "mlflow"),
    }
    for place, content in places.items():
        for secret in set(SECRET.findall(content)):
            tally.check(False, f"{secret.decode()} is in {place}")
    # the search can find something: the same words in a file
    (folder / "control").write_text(f"x {PLANTED['HF_TOKEN']} y")
    tally.check(
        any(SECRET.findall(content) for content in _files(folder).values()), "the search finds nothing at all"
    )
    yield tally


def _run_stages(scene: Scene, planted: Mapping[str, str], tally: Tally) -> str:
    """All these stages print."""
    tracking = {**planted, "MLFLOW_TRACKING_URI": scene.mlflow, "MLFLOW_EXPERIMENT_NAME": EXPERIMENT}
    made: dict[str, str] = {}
    said = ""
    for call in (one for one in CALLS if one.name in ("problems", "model", "sft")):
        code, child = scene.zygote.run(call.argv(f"s3://{BUCKET}/secrets", made), tracking)
        said += child.errors + (child.folder / "out").read_text()
        if not tally.check(code == 0, f"{call.name} ended with {code}: {child.errors[-300:]}"):
            break
        made[call.name] = child.envelope["artifact"]
        tally.completed += 1
    return said


def _run_into_errors(scene: Scene, planted: Mapping[str, str], tally: Tally) -> str:
    away = f"http://127.0.0.1:{free_port()}"
    with_password = away.replace("://", "://me:planted-address-password@")
    problems = CALLS[0].argv(f"s3://{BUCKET}/secrets", {})
    wrong = {
        "store away": ({"AWS_ENDPOINT_URL_S3": away, "AWS_MAX_ATTEMPTS": "1"}, problems),
        "no such bucket": ({}, CALLS[0].argv("s3://another-bucket/x", {})),
        "MLflow away": ({"MLFLOW_TRACKING_URI": with_password}, [*problems, "--set", "data.seed=5"]),
        "no such input": ({}, ["sft", "--config", "smoke", "--store", f"s3://{BUCKET}/x", "--set", SMALL[0]]),
    }
    said = ""
    for what, (change, argv) in wrong.items():
        code, child = scene.zygote.run(
            argv, {**planted, **change}, "import tasks.tracking.mlflow_runs as r; r.PATIENCE = 0"
        )
        tally.check(bool(code) != (what == "MLflow away"), f"{what}: ended with {code}")
        said += child.errors
    return said


def _objects(client: object) -> dict[str, bytes]:
    found = {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):  # type: ignore[attr-defined]
        for entry in page.get("Contents", ()):
            found[entry["Key"]] = client.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read()  # type: ignore[attr-defined]
    return found


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and os.access(path, os.R_OK)
    }
