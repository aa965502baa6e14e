"""Re-hash a model and everything it came from: `python -m tasks verify ADDRESS-OR-ALIAS`.

Walks manifest by manifest from an artifact to its inputs, down to the problems, reads every byte again from the store (not
from the local cache) and prints one line per artifact. The first break is named and ends the walk with exit code 64. An
alias (`champion`, `psgpo-prm@champion`) is looked up in the registry of `MLFLOW_TRACKING_URI`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tasks.errors import BadInput
from tasks.store import Artifact, digest_of, fetch, open_store
from tasks.store.artifacts import MANIFEST, content_hash, split_address


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tasks verify", description=__doc__)
    parser.add_argument("model", help="artifact address, alias, or NAME@ALIAS")
    wanted = parser.parse_args(argv).model
    address, seal = (wanted, "") if "://" in wanted else _look_up(wanted)
    count = 0
    for artifact in verify_chain(address):
        if count == 0 and seal and artifact.manifest["seal"] != seal:
            raise BadInput(artifact.uri, f"is not the artifact that was registered as {wanted}")
        count += 1
        print(
            f"ok {artifact.kind:12} {artifact.manifest.get('label', '') or '-':24} {artifact.uri}", flush=True
        )
    print(f"{count} artifacts verified")
    return 0


def verify_chain(address: str, contents: dict[str, str] | None = None) -> Iterator[Artifact]:
    """Verified artifacts, the given one first, each once; raises BadInput at the first break.

    `contents` collects the content hash of every artifact met, by address.
    """
    contents = {} if contents is None else contents
    artifact = _verify(address)
    contents[address] = artifact.content
    yield artifact
    made_from = artifact.manifest["identity"]["inputs"]
    for name, uris in artifact.manifest["input_artifacts"].items():
        for uri, content in zip(uris, made_from[name], strict=True):
            if uri not in contents:
                yield from verify_chain(uri, contents)
            if contents[uri] != content:
                raise BadInput(uri, f"is not what {artifact.uri} was made from (content {content[:12]})")


def _verify(uri: str) -> Artifact:
    """One artifact: every file, the manifest, the address, and that nothing was added."""
    root, key = split_address(uri)
    store = open_store(root)
    with tempfile.TemporaryDirectory(prefix="psgpo-verify-") as scratch:
        artifact = fetch(store, key, Path(scratch))
    manifest = artifact.manifest
    if content_hash(manifest["files"]) != artifact.content:
        raise BadInput(uri, "has a content hash that is not its files'")
    if digest_of(manifest["identity"]) != artifact.digest:
        raise BadInput(uri, "has a digest that is not its identity's")
    allowed = {f"{key}/{name}" for name in (*manifest["files"], MANIFEST)}
    for found in store.list(key):
        if found not in allowed:
            raise BadInput(f"{root}/{found}", "is not named by the manifest")
    return artifact


def _look_up(wanted: str) -> tuple[str, str]:
    from tasks.tracking.registry import POLICY_MODEL, Registry
    from tasks.tracking.server import URI_VARIABLE, configured_server

    name, _, alias = wanted.rpartition("@")
    server = configured_server()
    if server is None:
        raise BadInput(
            f"alias {wanted!r}", f"needs {URI_VARIABLE}", "an artifact address, or a tracking server"
        )
    version = Registry(server).by_alias(name or POLICY_MODEL, alias)
    if version is None:
        raise BadInput(
            f"alias {wanted!r}", "is not in the registry", "champion, challenger, previous, or NAME@ALIAS"
        )
    try:
        return version.tags["artifact"], version.tags["seal"]
    except KeyError as missing:
        raise BadInput(
            f"{version.name} version {version.version}",
            f"has no tag {missing}: an older revision registered it",
            "the address of its artifact",
        ) from None
