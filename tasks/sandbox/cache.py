"""The execution cache: a program with the same tests and limits is run once per folder.

Samples of one problem repeat each other, and stages repeat each other's samples. One SQLite file, shared by processes.
Every hundredth hit is run again all the same; where the verdict then differs, the program is reported as flaky and the
new verdict is the one that counts. `no_verdict` is never kept.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
import threading
from dataclasses import astuple
from pathlib import Path

from tasks.errors import BadInput
from tasks.sandbox.pending import Pending
from tasks.sandbox.program import Verdict

RULES = 2  # version of the verdict rules; verdicts made under others are not used
RERUN_EVERY = 100  # hits
_FILE = "verdicts.sqlite"


class VerdictCache:
    """Verdicts by the hash of (rules, isolation, code, tests, limits). Threads may share it."""

    def __init__(self, folder: Path, isolation: str, flaky: list[str]) -> None:
        """`flaky` receives the hash of every program whose verdict changed. Raises BadInput."""
        self._isolation, self._flaky, self._hits = isolation, flaky, 0
        self._running: dict[str, Pending] = {}
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(
                folder / _FILE, timeout=60, check_same_thread=False, isolation_level=None
            )
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute(
                "PRAGMA synchronous=OFF"
            )  # losing the last verdicts costs running them again
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS verdicts (key TEXT PRIMARY KEY, verdict TEXT NOT NULL)"
            )
        except (OSError, sqlite3.Error) as error:
            raise BadInput(f"sandbox cache {folder}", str(error), "a writable folder") from error

    def find(self, pending: Pending) -> Pending | None:
        """The handle that has, or will have, the verdict on the same program; None when `pending` must be run."""
        key = self._key(pending)
        with self._lock:
            running = self._running.get(key)
            if running is not None:
                return running
            known = self._read(key)
            if known is not None:
                self._hits += 1
                if self._hits % RERUN_EVERY:
                    pending.set(known)
                    return pending
            self._running[key] = pending
        pending.when_known = lambda verdict: self._keep(key, verdict, known)
        return None

    def _key(self, pending: Pending) -> str:
        parts = (RULES, self._isolation, pending.program.code, pending.tests, astuple(pending.limits))
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _read(self, key: str) -> Verdict | None:
        row = self._database.execute("SELECT verdict FROM verdicts WHERE key = ?", (key,)).fetchone()
        return None if row is None else Verdict(*json.loads(row[0]))

    def _keep(self, key: str, verdict: Verdict, before: Verdict | None) -> Verdict:
        with self._lock:
            self._running.pop(key, None)
            if verdict.status == "no_verdict":
                return before or verdict
            if before is not None and _outcome(before) != _outcome(verdict):
                self._flaky.append(key)
                print(
                    f"warning: flaky program {key[:12]}: {before.status}, now {verdict.status}",
                    file=sys.stderr,
                )
            text = json.dumps(astuple(verdict))
            self._database.execute("INSERT OR REPLACE INTO verdicts VALUES (?, ?)", (key, text))
        return verdict

    def close(self) -> None:
        with self._lock:
            self._database.close()


def _outcome(verdict: Verdict) -> tuple[str, int, int]:
    return verdict.status, verdict.tests_passed, verdict.tests_total
