"""The store's policies: written from the stages, enough for them, and enforced as meant (moto's AWS engine decides)."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.policies.__main__ import FOLDER, access_of, rendered
from tasks.__main__ import STAGES
from tasks.jobs import ROLES, role_of

ROOT = Path(__file__).resolve().parents[2]


def test_what_is_checked_in_is_what_the_stages_need() -> None:
    assert {path.name: path.read_text() for path in FOLDER.glob("*.json")} == rendered()


@pytest.mark.parametrize("name", STAGES)
def test_a_role_reads_and_writes_what_its_stage_does(name: str) -> None:
    stage = importlib.import_module(f"tasks.stages.{name}").STAGE
    access = access_of(role_of(name))
    assert stage.kind in access.writes
    for kinds in stage.inputs.values():
        assert "*" in access.reads or set(kinds.split("|")) <= set(access.reads)


def test_the_sandbox_has_no_identity() -> None:
    identities = json.loads(rendered()["seaweedfs.json"])["identities"]
    assert [one["name"] for one in identities] == ["admin", "mlflow", *ROLES]
    compose = (ROOT / "docker-compose.yml").read_text()
    sandbox = compose[compose.index("  sandbox:\n") : compose.index("  broker:\n")]
    assert "S3_" not in sandbox
    assert "AWS" not in sandbox


def test_secrets_are_put_in_by_the_store_s_start_alone() -> None:
    start = (ROOT / "infra/compose/store.sh").read_text()
    for one in json.loads(rendered()["seaweedfs.json"])["identities"]:
        secret = one["credentials"][0]["secretKey"]
        assert secret == f"@S3_{one['name'].upper()}_SECRET@"
        assert secret.strip("@") in start


Clients = dict[str, "boto3.client"]


@pytest.fixture(scope="module")
def clients() -> Iterator[Clients]:
    """One S3 client per role, on a server that enforces the role's policy."""
    from moto import mock_aws

    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
        for name, value in (
            ("ACCESS_KEY_ID", "root"),
            ("SECRET_ACCESS_KEY", "root"),
            ("DEFAULT_REGION", "us-east-1"),
        ):
            patch.setenv(f"AWS_{name}", value)
        s3, iam = boto3.client("s3"), boto3.client("iam")
        s3.create_bucket(Bucket="psgpo")
        for kind in ("model", "policy", "labels", "scores", "problems", "report"):
            s3.put_object(Bucket="psgpo", Key=f"store/{kind}/ab/there", Body=b"x")
        made = {}
        for role in ROLES:
            iam.create_user(UserName=role)
            iam.put_user_policy(UserName=role, PolicyName=role, PolicyDocument=rendered()[f"{role}.json"])
            key = iam.create_access_key(UserName=role)["AccessKey"]
            made[role] = boto3.client(
                "s3", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]
            )
        yield made


def may(call: object, **arguments: object) -> bool:
    """Whether the policy lets a call through; only here are policies enforced, the server's set-up is root's."""
    from moto.core import set_initial_no_auth_action_count

    return bool(set_initial_no_auth_action_count(0)(is_let_through)(call, **arguments))


def is_let_through(call: object, **arguments: object) -> bool:
    try:
        call(Bucket="psgpo", **arguments)  # type: ignore[operator]
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("AccessDenied", "403"):
            raise
        return False
    return True


READS = {
    "sampler": {"policy": True, "labels": False, "report": False},
    "labeller": {"policy": True, "labels": True, "scores": True, "report": False},
    "trainer": {"problems": True, "labels": True, "scores": False, "report": False},
    "promoter": {"problems": True, "scores": True, "model": True},
    "cleaner": {"problems": True, "labels": True, "report": True},
}
WRITES = {
    "sampler": {"responses": True, "scores": True, "policy": False, "model": False, "_checkpoints": True},
    "labeller": {"labels": True, "policy": False, "scores": False, "_probe": True},
    "trainer": {"policy": True, "model": True, "prm": True, "scores": False, "labels": False},
    "promoter": {"promotion": True, "report": True, "policy": False, "scores": False},
    "cleaner": {"_probe": True, "policy": False, "labels": False, "_checkpoints": False},
}
REMOVES = {
    "sampler": {"scores": True, "policy": False},
    "labeller": {"labels": True, "policy": False},
    "trainer": {"model": True, "scores": False},
    "promoter": {"report": True, "model": False},
    "cleaner": {"report": True, "model": True, "_checkpoints": True},
}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_reads_its_kinds_and_no_other(clients: Clients, role: str) -> None:
    found = {kind: may(clients[role].get_object, Key=f"store/{kind}/ab/there") for kind in READS[role]}
    assert found == READS[role]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_writes_its_kinds_and_no_other(clients: Clients, role: str) -> None:
    found = {
        kind: may(clients[role].put_object, Key=f"store/{kind}/ab/new", Body=b"") for kind in WRITES[role]
    }
    assert found == WRITES[role]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_removes_what_it_makes_and_one_role_everything(clients: Clients, role: str) -> None:
    found = {kind: may(clients[role].delete_object, Key=f"store/{kind}/ab/gone") for kind in REMOVES[role]}
    assert found == REMOVES[role]


@pytest.mark.parametrize("role", ROLES)
def test_no_role_leaves_the_store_s_folder(clients: Clients, role: str) -> None:
    assert not may(clients[role].put_object, Key="elsewhere/model/x", Body=b"")
    assert may(clients[role].list_objects_v2, Prefix="store/")
