"""The model registry: artifacts registered by address, found by alias. Only the `promote` stage writes here.

MLflow accepts `s3://` addresses as a version's source. It refuses local ones, so for a `file://` store the source is
the run that made the artifact, and the address stands in the tag `artifact` (it does in both cases: readers use the tag).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.tracking.server import MlflowServer, Refused, key_values

POLICY_MODEL = "psgpo-policy"
PRM_MODEL = "psgpo-prm"


@dataclass(frozen=True)
class ModelVersion:
    """One registered version; `tags` hold `artifact` (address), `digest`, `seal` and what evidence there was."""

    name: str
    version: str
    tags: Mapping[str, str] = field(compare=False)


class Registry:
    """All calls raise ServerDown or Refused."""

    def __init__(self, server: MlflowServer) -> None:
        self.server = server

    def register(self, name: str, artifact: str, run_id: str, tags: Mapping[str, str]) -> ModelVersion:
        """The version of the artifact with tag `digest`; made if there is none yet."""
        self._ensure_model(name)
        for version in self.versions(name):
            if version.tags.get("digest") == tags["digest"]:
                return version
        source = artifact if artifact.startswith("s3://") else f"runs:/{run_id}/artifact"
        body = {
            "name": name,
            "source": source,
            "run_id": run_id,
            "tags": key_values({**tags, "artifact": artifact}),
        }
        return _version(self.server.post("model-versions/create", body)["model_version"])

    def versions(self, name: str) -> list[ModelVersion]:
        """All versions, oldest first."""
        found = self._search({"filter": f"name='{name}'"})
        return sorted(map(_version, found), key=lambda version: int(version.version))

    def addresses(self) -> Iterator[str]:
        """Sources and tags of all versions of all models: whatever artifact is registered is among them."""
        for version in self._search({}):
            yield version.get("source", "")
            yield from (tag["value"] for tag in version.get("tags", []))

    def by_alias(self, name: str, alias: str) -> ModelVersion | None:
        try:
            answer = self.server.get("registered-models/alias", name=name, alias=alias)
        except Refused as refused:
            if refused.code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise
        return _version(answer["model_version"])

    def set_alias(self, version: ModelVersion, alias: str) -> None:
        """Point an alias at a version; a reader sees the old one or the new one, never none."""
        body = {"name": version.name, "alias": alias, "version": version.version}
        self.server.post("registered-models/alias", body)

    def delete_alias(self, name: str, alias: str) -> None:
        self.server.post("registered-models/alias", {"name": name, "alias": alias}, method="DELETE")

    def _search(self, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        page: dict[str, str] = {}
        while True:
            answer = self.server.get("model-versions/search", max_results="200", **query, **page)
            yield from answer.get("model_versions", [])
            if not (token := answer.get("next_page_token", "")):
                return
            page = {"page_token": token}

    def _ensure_model(self, name: str) -> None:
        try:
            self.server.post("registered-models/create", {"name": name})
        except Refused as refused:
            if refused.code != "RESOURCE_ALREADY_EXISTS":
                raise


def _version(described: Mapping[str, Any]) -> ModelVersion:
    tags = {tag["key"]: tag["value"] for tag in described.get("tags", [])}
    return ModelVersion(described["name"], str(described["version"]), tags)
