"""`python -m infra.policies`: write the policies beside this file.

<role>.json      for servers that speak AWS's policy language
seaweedfs.json   the same for the store of `docker-compose.yml`; `infra/compose/store.sh` puts the secrets in

A role reads what the inputs of its stages may be and what they make themselves (a finished artifact is read instead of
made again), and writes what they make, their checkpoints, and the probe of the store's conditional writes. One role clears
away: it may read and remove everything, and writes nothing but the probe. The sandbox has no role: nothing it could reach
the store with.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.__main__ import STAGES
from tasks.jobs import ROLES, role_of

FOLDER = Path(__file__).parent
BUCKET, PREFIX = "psgpo", "store"
PROBE = "_probe"
COMMON = ("_checkpoints", PROBE)
READS_ALL = "promoter"  # it verifies the whole chain behind a model, whatever it is made of
REMOVES_ALL = "cleaner"


@dataclass(frozen=True)
class Access:
    """Kinds of artifacts, and folders beside them, that a role reads, writes (and may remove again), and only removes."""

    reads: tuple[str, ...]
    writes: tuple[str, ...]
    removes: tuple[str, ...] = ()


def access_of(role: str) -> Access:
    if role == REMOVES_ALL:
        return Access(("*",), (PROBE,), ("*",))
    reads, writes = set(COMMON), set(COMMON)
    for name in STAGES:
        if role_of(name) == role:
            stage = importlib.import_module(f"tasks.stages.{name}").STAGE
            writes.add(stage.kind)
            reads |= {stage.kind, *(kind for kinds in stage.inputs.values() for kind in kinds.split("|"))}
    return Access(("*",) if role == READS_ALL else tuple(sorted(reads)), tuple(sorted(writes)))


def as_aws(access: Access) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            _allow("List", ["s3:ListBucket"], [f"arn:aws:s3:::{BUCKET}"]),
            _allow("Read", ["s3:GetObject"], _objects(access.reads)),
            _allow(
                "Write",
                ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
                _objects(access.writes),
            ),
            *([_allow("Remove", ["s3:DeleteObject"], _objects(access.removes))] if access.removes else []),
        ],
    }


def as_seaweedfs() -> dict[str, Any]:
    """Every identity of the store. Actions are `Action:bucket/prefix*`; a secret is a name between `@`s."""
    identities = [_identity("admin", ["Admin"]), _identity("mlflow", _whole_bucket("mlflow"))]
    for role in ROLES:
        access = access_of(role)
        actions = [f"List:{BUCKET}"]
        actions += [f"Read:{path}" for path in _paths(access.reads)]
        # here whoever may write may remove, and nobody else
        actions += [f"Write:{path}" for path in _paths((*access.writes, *access.removes))]
        identities.append(_identity(role, actions))
    return {"identities": identities}


def rendered() -> dict[str, str]:
    """File names and what belongs in them."""
    files = {f"{role}.json": as_aws(access_of(role)) for role in ROLES} | {"seaweedfs.json": as_seaweedfs()}
    return {name: json.dumps(content, indent=2) + "\n" for name, content in files.items()}


def _allow(name: str, actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Sid": name, "Effect": "Allow", "Action": actions, "Resource": resources}


def _objects(kinds: Iterable[str]) -> list[str]:
    return [f"arn:aws:s3:::{path}" for path in _paths(kinds)]


def _paths(kinds: Iterable[str]) -> list[str]:
    return [f"{BUCKET}/{PREFIX}/*" if kind == "*" else f"{BUCKET}/{PREFIX}/{kind}/*" for kind in kinds]


def _whole_bucket(name: str) -> list[str]:
    return [f"{action}:{name}" for action in ("List", "Read", "Write")]


def _identity(name: str, actions: list[str]) -> dict[str, Any]:
    secret = f"@S3_{name.upper()}_SECRET@"
    return {
        "name": name,
        "credentials": [{"accessKey": name, "secretKey": secret}],
        "actions": actions,
    }


if __name__ == "__main__":
    for file, text in rendered().items():
        (FOLDER / file).write_text(text)
