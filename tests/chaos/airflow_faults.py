"""Airflow: its components die under a run, two runs want the same work, tasks are cleared, a run is cancelled."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from infra.local import processes, stack
from infra.local.settings import Settings
from tasks.store import open_store
from tasks.store.artifacts import MANIFEST, discard, split_address
from tests.chaos.airflow_stack import DAG, Stack, wait_for
from tests.chaos.scene import Scene
from tests.chaos.tally import Tally
from tests.conftest import free_port

STOP_SECONDS = 30.0
AWAY_SECONDS = 3.0
COMPONENTS = ("scheduler", "api-server", "dag-processor")


def faults(scene: Scene) -> Iterator[Tally]:
    settings = Settings(scene.folder / "stack", free_port(), free_port())
    scene.closing.callback(processes.stop, settings.state)
    embedded = Stack(settings, stack.up(settings, lambda line: None))
    for number, component in enumerate(COMPONENTS):
        yield component_killed(scene, embedded, component, 2 + number)
    yield worker_killed(scene, embedded)
    yield cleared_by_hand(embedded, "worker")
    yield same_run_twice(embedded)
    yield cancelled(embedded)
    yield secrets(settings)


def component_killed(scene: Scene, embedded: Stack, component: str, epochs: int) -> Tally:
    """SIGKILL while tasks run, a new one seconds later: the run ends as if nothing had been. `epochs` make it new work."""
    tally = Tally(f"Airflow: {component} killed during a run and started again")
    embedded.trigger(component, sft_epochs=epochs)
    _wait_for_a_moment(scene, embedded, component)
    began = time.time()
    tally.injected += tally.check(embedded.kill(component) > 0, "there was nothing to kill")
    time.sleep(AWAY_SECONDS)
    embedded.start(component)
    state = embedded.end(component)
    tally.completed += tally.check(state == "success", f"the run ended {state}")
    _check_made_once(embedded, component, tally)
    well = wait_for(lambda: stack.is_healthy(embedded.settings, since=began), 120, fail=False)
    tally.check(well, "the stack is not healthy afterwards")
    return tally


def worker_killed(scene: Scene, embedded: Stack) -> Tally:
    """SIGKILL of the process that runs a task: it is tried again, and by then nothing of the first try runs any more."""
    tally = Tally("Airflow: worker killed during a run")
    embedded.trigger("worker", sft_epochs=7)
    _wait_for_a_moment(scene, embedded, "worker")
    wait_for(lambda: bool(embedded.jobs()), 120)
    job = embedded.jobs()[0]
    embedded.worker_of(job).kill()
    tally.injected += 1
    gone = wait_for(lambda: not job.is_running(), STOP_SECONDS, fail=False)
    tally.duplicated += not gone
    tally.check(gone, "the job of the killed worker runs on")
    state = embedded.end("worker")
    tally.completed += tally.check(state == "success", f"the run ended {state}")
    _check_made_once(embedded, "worker", tally)
    return tally


def cleared_by_hand(embedded: Stack, name: str) -> Tally:
    """One task of a finished run, its artifact gone: it is made again as it was, and nothing else is touched."""
    tally, task = Tally("Airflow: task cleared by hand"), ("evaluate_sft", -1)
    before, tries = embedded.envelopes(name), embedded.tries(name)
    address = str(before[task]["artifact"])
    written = _written(embedded.settings)
    content = _content(address)
    uri, key = split_address(address)
    discard(open_store(uri), key)
    clear = {"dry_run": False, "dag_run_id": name, "task_ids": [task[0]], "only_failed": False}
    embedded.api._call("POST", f"/api/v2/dags/{DAG}/clearTaskInstances", clear)
    tally.injected += 1
    wait_for(lambda: embedded.tries(name)[task] > tries[task], 120, fail=False)
    state = embedded.end(name)
    again = embedded.envelopes(name)[task]
    tally.check(state == "success" and not again["cached"], f"the run ended {state}, {again}")
    tally.completed += tally.check(_content(address) == content, "it has other content")
    # plan and conclude frame every task: they run again with it
    frame = ("plan", "conclude")
    again_too = [
        one for one, count in embedded.tries(name).items() if count != tries[one] and one[0] not in frame
    ]
    tally.check(again_too == [task], f"{again_too} ran again")
    after = _written(embedded.settings)
    changed = [path for path, moment in written.items() if after.get(path) != moment and key not in str(path)]
    tally.check(not changed and len(after) == len(written), f"{changed[:3]} were written again")
    return tally


def same_run_twice(embedded: Stack) -> Tally:
    """Two identical runs at once: both succeed, and every artifact is made once."""
    tally = Tally("Airflow: two identical runs at once")
    for name in ("twin-a", "twin-b"):
        embedded.trigger(name, data_seed=1)
    tally.injected += 1
    for name in ("twin-a", "twin-b"):
        state = embedded.end(name)
        tally.completed += tally.check(state == "success", f"{name} ended {state}")
    first, second = (embedded.artifacts(name) for name in ("twin-a", "twin-b"))
    tally.check(set(first) == set(second), "the two made different artifacts")
    tally.duplicated += sum(not first[one] and not second[one] for one in set(first) & set(second))
    return tally


def cancelled(embedded: Stack) -> Tally:
    """A run that is marked failed stops its jobs, and all they have started, within 30 seconds; only the task that concludes
    the run comes after that."""
    tally = Tally("Airflow: run cancelled, processes gone within 30 s")
    embedded.trigger("cancelled", data_seed=2, sft_epochs=200)
    wait_for(lambda: any("sft" in job.cmdline() for job in embedded.jobs()), 240)
    began = time.monotonic()
    embedded.api._call("PATCH", f"/api/v2/dags/{DAG}/dagRuns/cancelled", {"state": "failed"})
    tally.injected += 1
    working = embedded.working()
    gone = wait_for(lambda: not embedded.working(working), STOP_SECONDS - 1, fail=False)
    seconds = time.monotonic() - began
    tally.completed += tally.check(gone, f"after {seconds:.0f} s {embedded.working(working)} run")
    state = embedded.end("cancelled")
    tally.check(state == "failed", f"it ended {state}")
    return tally


def secrets(settings: Settings) -> Tally:
    """The stack's own secrets, in the logs, databases and files of all these runs."""
    tally = Tally("Airflow: secrets of the stack, searched for in logs, databases, store")
    home = settings.airflow_home
    own = [(home / name).read_text().strip() for name in ("api_secret", "jwt_secret")]
    own += list(json.loads((home / "passwords.json").read_text()).values())
    kept = {home / name for name in ("api_secret", "jwt_secret", "passwords.json")}
    files = [path for path in settings.state.rglob("*") if path.is_file() and path not in kept]
    tally.injected = len(own)
    tally.check(len(files) > 50, "there was nothing to search")
    for path in files:
        content = path.read_bytes()
        for number, secret in enumerate(own):
            tally.check(
                secret.encode() not in content, f"secret {number} is in {path.relative_to(settings.state)}"
            )
    tally.completed = len(own) if not tally.wrong else 0
    return tally


def _wait_for_a_moment(scene: Scene, embedded: Stack, name: str) -> None:
    """Until some seconds after the run's first job has begun."""
    wait_for(lambda: bool(embedded.jobs()), 180)
    time.sleep(random.Random(f"airflow/{name}/{scene.seed}").uniform(0, 10))


def _check_made_once(embedded: Stack, name: str, tally: Tally) -> None:
    """Every job of the run has an artifact that is there, and no two jobs made the same one."""
    made = [str(one["artifact"]) for one in embedded.envelopes(name).values() if not one["cached"]]
    tally.duplicated += len(made) - len(set(made))
    tally.lost += sum(not (Path(one.removeprefix("file://")) / MANIFEST).exists() for one in made)
    tally.check(bool(made), "nothing was made")


def _written(settings: Settings) -> dict[Path, float]:
    """All manifests of the store and when each was written."""
    found = {}
    for path in Path(settings.store_uri.removeprefix("file://")).rglob(MANIFEST):
        with suppress(OSError):
            found[path] = path.stat().st_mtime
    return found


def _content(address: str) -> Any:
    return json.loads((Path(address.removeprefix("file://")) / MANIFEST).read_text())["content"]
