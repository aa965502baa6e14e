"""MLflow is slow, unwell, killed, or away for good: stages go on, and every point arrives in order, once."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.proxy import FaultyWay
from tests.chaos.scene import Scene
from tests.chaos.tally import Tally
from tests.chaos.toys import start_toy
from tests.chaos.tracked import EXPERIMENT, tracked_below
from tests.conftest import free_port
from tests.servers import mlflow_server

STEPS = 30
# deliver at every chance, so that every step can be hit
EAGER = "import tasks.tracking.mlflow_runs as runs; runs.DELIVER_EVERY = 0.05; runs.LONGEST_PAUSE = 0.4; runs.PATIENCE = 3.0"


def faults(scene: Scene) -> Iterator[Tally]:
    yield on_a_faulty_way(scene, scene.mlflow)
    yield from killed(scene)


def on_a_faulty_way(scene: Scene, mlflow: str) -> Tally:
    """Every third request is refused, cut, slow, answered by 503, or carried out without an answer."""
    way = FaultyWay(int(mlflow.rpartition(":")[2]), scene.seed)
    scene.closing.callback(way.close)
    tally = Tally("MLflow: 503, slow, truncated, reset, unanswered")
    for number in range(scene.times):
        way.share = 0.33
        one = _Toy(scene, f"faulty-{number}", way.address)
        one.finish(tally)
        way.share = 0.0
        one.deliver_rest(way.address)
        one.compare(mlflow, tally)
    tally.injected = sum(way.injected.values())
    return tally


def killed(scene: Scene) -> Iterator[Tally]:
    """SIGKILL of the server while a stage logs: started again meanwhile, or only after the stage has ended."""
    server = mlflow_server(scene.folder / "mortal", port := free_port())
    address = f"http://127.0.0.1:{port}"
    server.start()
    scene.closing.callback(server.stop)
    for again, what in ((True, "killed and started again"), (False, "down for good")):
        tally = Tally(f"MLflow: {what} during a stage")
        for number in range(max(1, scene.times // 2)):
            one = _Toy(scene, f"killed-{again}-{number}", address, pause=0.5 if again else 0.1)
            time.sleep(random.Random(f"mlflow/{scene.seed}/{again}/{number}").uniform(1.0, 3.0))
            server.kill()
            tally.injected += 1
            if again:
                time.sleep(1)
                server.start()
            one.finish(tally)
            if not again:
                server.start()
            one.deliver_rest(address)
            one.compare(address, tally)
        yield tally


class _Toy:
    """A stage that logs one point per step, and afterwards another on the same machine that delivers what is left."""

    def __init__(self, scene: Scene, name: str, address: str, pause: float = 0.05) -> None:
        self.parent = f"toy-{name}"
        self._store = f"file://{scene.folder}/{name}"
        self._environment = {
            "PSGPO_CACHE": str(scene.folder / f"{name}-cache"),
            "MLFLOW_EXPERIMENT_NAME": EXPERIMENT,
            "PSGPO_PARENT_RUN": self.parent,
        }
        environment = {**self._environment, "MLFLOW_TRACKING_URI": address}
        self._process = start_toy(self._store, STEPS, pause, EAGER, **environment)

    def finish(self, tally: Tally) -> None:
        _, error = self._process.communicate()
        made = list(Path(self._store.removeprefix("file://")).glob("toy/*/*/_manifest.json"))
        done = self._process.returncode == 0 and len(made) == 1
        tally.completed += tally.check(done, f"{self.parent}: {self._process.returncode} {error[-300:]}")

    def deliver_rest(self, address: str) -> None:
        environment = {**self._environment, "MLFLOW_TRACKING_URI": address, "PSGPO_PARENT_RUN": "another"}
        start_toy(self._store, 1, 0.0, EAGER, **environment).communicate()

    def compare(self, address: str, tally: Tally) -> None:
        found = tracked_below(address, self.parent)
        wanted = [("toy/step", step) for step in range(STEPS)]
        tally.compare([*wanted, ("toy/steps", 0)], found.points, f"{self.parent}: points")
        order = [point for point in found.points if point[0] == "toy/step"]
        tally.check(order == wanted or len(order) != STEPS, f"{self.parent}: points came out of order")
        tally.check(found.states == ["FINISHED"], f"{self.parent}: runs {found.states}")
