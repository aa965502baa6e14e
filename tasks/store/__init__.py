"""Where artifacts live. `open_store(uri)`, `fetch_uri(uri, cache)`."""

from tasks.store.artifacts import Artifact, digest_of, fetch, fetch_uri, hash_files, publish
from tasks.store.checkpoints import Checkpoints
from tasks.store.stores import Store, open_store

__all__ = [
    "Artifact",
    "Checkpoints",
    "Store",
    "digest_of",
    "fetch",
    "fetch_uri",
    "hash_files",
    "open_store",
    "publish",
]
