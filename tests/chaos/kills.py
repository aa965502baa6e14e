"""SIGKILL of a stage at a random moment, then the same stage again: same content, nothing half-written, nothing twice."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil

from tasks.errors import BadInput
from tasks.store import fetch, open_store
from tests.chaos.calls import Call
from tests.chaos.tally import Tally
from tests.chaos.tracked import EXPERIMENT, Tracked, tracked_below
from tests.chaos.zygote import Running, Zygote

_GONE_SECONDS = 10.0


class Killing:
    """Kills calls of one micro run. `mlflow` is the address of a server, or empty: nothing is tracked then."""

    def __init__(self, folder: Path, zygote: Zygote, mlflow: str = "") -> None:
        self.folder, self.zygote, self.mlflow = folder, zygote, mlflow
        self.made: dict[str, str] = {}
        self._seconds: dict[str, float] = {}
        self._tracked: dict[str, Tracked] = {}

    def undisturbed(self, call: Call) -> str:
        """Run a call as it should be, remember how long it took and what it tracked; its content hash."""
        parent = f"undisturbed-{call.name}"
        argv = call.argv(f"file://{self.folder}/undisturbed", self.made)
        child = self.zygote.start(argv, self._environment(parent))
        code = child.wait()
        if code:
            raise RuntimeError(f"{call.name} ended with {code} undisturbed:\n{child.errors[-2000:]}")
        self._seconds[call.name] = time.monotonic() - child.started
        self.made[call.name] = child.envelope["artifact"]
        if self.mlflow:
            self._tracked[call.name] = tracked_below(self.mlflow, parent)
        return _content(self.made[call.name])

    def kill(self, call: Call, seed: int, tally: Tally) -> None:
        """One kill; the moment is drawn by `seed` from the time that the call takes."""
        name = f"{call.name}-{seed}"
        moment = random.Random(f"kill/{name}").uniform(0, self._seconds[call.name])
        store, parent = f"file://{self.folder}/{name}", f"killed-{name}"
        argv = call.argv(store, self.made)
        child = self.zygote.start(argv, self._environment(parent))
        time.sleep(moment)
        left = _kill(child)
        tally.injected += 1
        where = f"{call.name} killed after {moment:.2f} s (seed {seed})"
        tally.check(not left, f"{where}: processes {left} outlived it")
        _all_whole(store, tally, where)
        code, again = self.zygote.run(argv, self._environment(parent))
        if not tally.check(code == 0, f"{where}: again it ended with {code}: {again.errors[-500:]}"):
            return
        same = _content(again.envelope["artifact"]) == _content(self.made[call.name])
        tally.check(same, f"{where}: again it has other content")
        tally.check(not _litter(store), f"{where}: {_litter(store)[:3]} were left in the store")
        if self.mlflow:
            self._compare_tracked(call, parent, tally, where)
        tally.completed += same

    def _compare_tracked(self, call: Call, parent: str, tally: Tally, where: str) -> None:
        wanted, found = self._tracked[call.name], tracked_below(self.mlflow, parent)
        tally.check(found.states == ["FINISHED"], f"{where}: runs {found.states}")
        tally.compare(wanted.points, found.points, f"{where}: points")
        tally.compare(wanted.parameters, found.parameters, f"{where}: parameters")

    def _environment(self, parent: str) -> dict[str, str]:
        environment = {"PSGPO_CACHE": str(self.folder / "cache"), "PSGPO_PARENT_RUN": parent}
        if self.mlflow:
            environment |= {"MLFLOW_TRACKING_URI": self.mlflow, "MLFLOW_EXPERIMENT_NAME": EXPERIMENT}
        return environment


def _kill(child: Running) -> list[int]:
    """SIGKILL without warning; the processes it had started that live on."""
    below: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        below = psutil.Process(child.pid).children(recursive=True)
    with suppress(ProcessLookupError):
        os.kill(child.pid, signal.SIGKILL)
    child.wait()
    _, alive = psutil.wait_procs(below, timeout=_GONE_SECONDS)
    return [process.pid for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def _all_whole(uri: str, tally: Tally, where: str) -> None:
    """Whatever can be seen in the store is whole."""
    store = open_store(uri)
    for key in [key for key in store.list("") if key.endswith("/_manifest.json")]:
        try:
            fetch(store, key.removesuffix("/_manifest.json"), Path("/nonexistent"))
        except BadInput as damage:
            tally.check(False, f"{where}: {damage}")


def _litter(uri: str) -> list[str]:
    """Files that a finished stage leaves beside its artifact."""
    root = Path(uri.removeprefix("file://"))
    return [
        str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and _is_litter(path, root)
    ]


def _is_litter(path: Path, root: Path) -> bool:
    return path.name.startswith(".") or path.relative_to(root).parts[0] == "_checkpoints"


def _content(address: str) -> str:
    manifest = Path(address.removeprefix("file://")) / "_manifest.json"
    return str(json.loads(manifest.read_text())["content"])
