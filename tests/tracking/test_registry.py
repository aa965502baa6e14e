"""Models registered by address: in a bucket, on disk, and only once."""

from __future__ import annotations

import pytest

from tasks.tracking.registry import Registry
from tasks.tracking.server import MlflowServer


@pytest.mark.parametrize("store", ["s3://bucket/prefix", "file:///srv/store"])
def test_an_artifact_is_registered_once_and_found_by_alias(tracked: str, store: str) -> None:
    registry = Registry(MlflowServer(tracked))
    name = f"model-in-{store[:2]}"
    addresses = [f"{store}/policy/ab/{digit * 64}" for digit in "abc"]
    made = [registry.register(name, uri, "f" * 32, {"digest": uri[-64:]}) for uri in addresses]
    again = registry.register(name, addresses[1], "f" * 32, {"digest": addresses[1][-64:]})
    assert again == made[1]
    assert [version.tags["artifact"] for version in registry.versions(name)] == addresses
    registry.set_alias(made[0], "champion")
    registry.set_alias(made[2], "champion")
    assert registry.by_alias(name, "champion") == made[2]
    registry.delete_alias(name, "champion")
    assert registry.by_alias(name, "champion") is None


def test_unknown_models_have_no_versions_and_no_aliases(tracked: str) -> None:
    registry = Registry(MlflowServer(tracked))
    assert registry.versions("nobody") == []
    assert registry.by_alias("nobody", "champion") is None
