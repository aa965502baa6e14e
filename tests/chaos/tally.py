"""What one fault did: how often it was injected, and what became of the work."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field


@dataclass
class Tally:
    """`completed`: pieces of work that ended as promised after the fault.

    `wrong`: ended with other content than undisturbed work, or otherwise than promised; `lost` and `duplicated`: rows,
    points, parameters, runs or artifacts that are missing or there twice. `notes` say what was wrong.
    """

    fault: str
    injected: int = 0
    completed: int = 0
    wrong: int = 0
    lost: int = 0
    duplicated: int = 0
    notes: list[str] = field(default_factory=list)

    def check(self, holds: bool, note: str) -> bool:
        """Count something that must hold; what does not is wrong, and told."""
        if not holds:
            self.wrong += 1
            self.notes.append(note)
        return holds

    def compare(self, expected: Iterable[object], found: Iterable[object], what: str) -> None:
        """Count what is missing from `found`, there twice in it, or not expected at all."""
        wanted, there = list(expected), list(found)
        missing, twice = set(wanted) - set(there), len(there) - len(set(there))
        unexpected = set(there) - set(wanted)
        self.lost += len(missing)
        self.duplicated += twice
        self.wrong += len(unexpected)
        if missing or twice or unexpected:
            self.notes.append(
                f"{what}: {len(missing)} lost, {twice} twice, {len(unexpected)} unexpected"
                f" ({sorted(map(str, missing | unexpected))[:3]})"
            )

    @property
    def kept(self) -> bool:
        """The promise held: something was injected, and nothing is wrong, lost or there twice."""
        return self.injected > 0 and not (self.wrong or self.lost or self.duplicated)


def table(tallies: Iterable[Tally]) -> str:
    """As Markdown, one row per fault."""
    head = "| fault | times injected | runs completed | wrong results | lost | duplicated |"
    rows = [
        f"| {t.fault} | {t.injected} | {t.completed} | {t.wrong} | {t.lost} | {t.duplicated} |"
        for t in tallies
    ]
    return "\n".join([head, "| --- | ---: | ---: | ---: | ---: | ---: |", *rows])


def as_objects(tallies: Iterable[Tally]) -> list[dict[str, object]]:
    """For one line of JSON: the first notes of each, cut short."""
    return [{**asdict(tally), "notes": [note[-300:] for note in tally.notes[:3]]} for tally in tallies]
