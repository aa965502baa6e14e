"""Which problems which arm solves, and what changed against the baseline: the solved matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.reporting.differences import SOLVED
from tasks.reporting.results import Score, length_of, mean_by_problem


@dataclass(frozen=True)
class Cell:
    """Share of samples that passed (None: not judged) and how it changed: `gained`, `lost` or empty."""

    share: float | None
    change: str

    @property
    def text(self) -> str:
        mark = {"gained": "▲", "lost": "▼"}.get(self.change, "")
        return "" if self.share is None else f"{mark}{100 * self.share:.0f}"

    @property
    def shade(self) -> str:
        """One of five shades by share, and the change."""
        level = "none" if self.share is None else f"s{round(4 * self.share)}"
        return f"{level} {self.change}".strip()


@dataclass(frozen=True)
class Row:
    """One problem; `tokens`: length of its reference, or of the responses where there is none."""

    problem_id: str
    difficulty: int
    tokens: int
    cells: tuple[Cell, ...]

    @property
    def changed(self) -> bool:
        return any(cell.change for cell in self.cells)


@dataclass(frozen=True)
class Matrix:
    """Rows: those that changed first, then by difficulty and length."""

    arms: tuple[str, ...]
    baseline: str
    rows: tuple[Row, ...]

    @property
    def changed(self) -> int:
        return sum(row.changed for row in self.rows)


def solved_matrix(groups: Mapping[str, Sequence[Score]], baseline: str) -> Matrix:
    """`groups` are scores of each arm, all of one benchmark. Changed: solved by one and not the other."""
    tables = {arm: mean_by_problem(scores) for arm, scores in groups.items()}
    about = {
        row["problem_id"]: row
        for scores in groups.values()
        for score in scores
        for row in score.summary["per_problem"]
    }
    rows = [
        Row(
            name,
            int(row["difficulty"]),
            length_of(row),
            tuple(_cell(tables[arm].get(name), tables.get(baseline, {}).get(name)) for arm in groups),
        )
        for name, row in about.items()
    ]
    rows.sort(key=lambda row: (not row.changed, row.difficulty, row.tokens, row.problem_id))
    return Matrix(tuple(groups), baseline, tuple(rows))


def _cell(share: float | None, before: float | None) -> Cell:
    if share is None or before is None or (share > SOLVED) == (before > SOLVED):
        return Cell(share, "")
    return Cell(share, "gained" if share > SOLVED else "lost")
