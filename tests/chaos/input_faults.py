"""Bad input: every reader on examples that are spoiled at random."""

from __future__ import annotations

import random
import traceback
from collections.abc import Iterator

from tests.chaos.bombs import bombs, refused
from tests.chaos.readers import READERS
from tests.chaos.scene import Scene
from tests.chaos.tally import Tally

EXAMPLES = 200


def faults(scene: Scene) -> Iterator[Tally]:
    """`times` x 200 spoiled examples per reader."""
    for number, reader in enumerate(READERS):
        tally, folder = Tally(f"bad input: {reader.name}"), scene.folder / f"input-{number}"
        folder.mkdir()
        for example in range(scene.times * EXAMPLES):
            tally.injected += 1
            try:
                reader.check(random.Random(f"{reader.name}/{scene.seed}/{example}"), folder)
                tally.completed += 1
            except Exception:
                tally.check(False, f"example {example}: {traceback.format_exc()[-600:]}")
        yield tally
    (scene.folder / "bombs").mkdir()
    tally = Tally("bad input: bombs, long lines, links, names that lead elsewhere")
    for what, read, names in bombs(scene.folder / "bombs"):
        tally.injected += 1
        problem = refused(read, names)
        tally.completed += tally.check(not problem, f"{what}: {problem}")
    yield tally
