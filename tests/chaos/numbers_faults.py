"""Training that goes wrong in its numbers stops with the cause, publishes nothing, and keeps its last good checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tasks.errors import EXIT_BAD_INPUT
from tests.chaos.calls import CALLS, Call
from tests.chaos.kills import Killing
from tests.chaos.scene import Scene
from tests.chaos.tally import Tally

_START = {"problems": ("problems",), "sft": ("sft",)}
# passes now and then: without any reward no number would change
LEARNT = ("sft.epochs=40", "sft.batch_size=8", "sft.learning_rate=5e-3")
CASES = (
    (
        "loss that is not finite",
        ("ppo.learning_rate=1e30", "ppo.steps=3"),
        "train_policy",
        "ppo.learning_rate",
    ),
    ("exploding KL", ("ppo.monitors.kl_limit=1e-9", "ppo.steps=4"), "KL", "ppo.monitors.on_kl"),
    (
        "constant reward",
        (
            "ppo.monitors.on_constant=stop",
            "ppo.monitors.constant_steps=2",
            "sandbox.cpu_seconds=0.001",
            "ppo.steps=4",
        ),
        "reward",
        "ppo.monitors.on_constant",
    ),
)


def faults(scene: Scene) -> Iterator[Tally]:
    killing = Killing(scene.folder / "numbers", scene.zygote)
    for call in CALLS:
        if call.name in ("problems", "model", "sft"):
            killing.undisturbed(replace(call, settings=LEARNT) if call.name == "sft" else call)
    for what, settings, *words in CASES:
        tally = Tally(f"numbers: {what}")
        call = Call(what, "train_policy", ("cell.arm=rl", *settings), _START)
        folder = scene.folder / what.replace(" ", "-")
        environment = {"PSGPO_CACHE": str(folder / "cache")}
        code, child = scene.zygote.run(call.argv(f"file://{folder}", killing.made), environment)
        tally.injected += 1
        said = child.errors.strip().splitlines()[-1:] or [""]
        told = code == EXIT_BAD_INPUT and all(word in said[0] for word in words)
        tally.check(told, f"ended with {code}: {said[0][-300:]}")
        tally.check(not list(folder.glob("policy/*/*/_manifest.json")), "a policy was published")
        tally.completed += told
        yield tally
