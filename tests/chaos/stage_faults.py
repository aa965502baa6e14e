"""SIGKILL of every stage at random moments."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.calls import CALLS
from tests.chaos.kills import Killing
from tests.chaos.scene import Scene
from tests.chaos.tally import Tally


def faults(scene: Scene) -> Iterator[Tally]:
    """Every stage, `scene.times` kills each, tracked by a real MLflow server."""
    killing = Killing(scene.folder / "kills", scene.zygote, scene.mlflow)
    for call in CALLS:
        tally = Tally(
            f"SIGKILL of {call.stage}" + (f" ({call.name})" if call.stage == "train_policy" else "")
        )
        killing.undisturbed(call)
        for number in range(scene.times):
            killing.kill(call, scene.seed * 1000 + number, tally)
        yield tally
