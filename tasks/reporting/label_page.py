"""One self-contained HTML page of labelled programs: every line coloured by its label, with the completions behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tasks.method.lines import split_lines

MOST_SHOWN = 30
"""Programs on a page; more are not read, and the page stays small."""

_KINDS = {1: "good", -1: "bad", 0: "neutral"}


@dataclass(frozen=True)
class Probe:
    """A question asked of one prefix. `completions`: what continued it, and the sandbox's verdict."""

    line: int
    recoverable: bool
    completions: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, decision: Mapping[str, Any]) -> Probe:
        told = tuple((completion["text"], completion["status"]) for completion in decision["completions"])
        return cls(decision["line"], decision["recoverable"], told)

    @property
    def passed(self) -> int:
        return sum(status == "passed" for _, status in self.completions)


@dataclass(frozen=True)
class LabelledProgram:
    """A failing response, its labels, the probes that decided them, and the audit's labels by line where it has one."""

    response_id: str
    prompt: str
    text: str
    labels: tuple[int, ...]
    probes: tuple[Probe, ...]
    audited: Mapping[int, int]

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What the template draws."""
        return [
            {
                "number": number,
                "text": text.rstrip("\n"),
                "kind": _KINDS[label],
                "label": f"{label:+d}" if label else "0",
                "why": self._why(number, label),
                "disputed": self.audited.get(number, label) != label,
                "probes": [probe for probe in self.probes if probe.line == number],
            }
            for number, (text, label) in enumerate(
                zip(split_lines(self.text), self.labels, strict=True), start=1
            )
        ]

    def _why(self, line: int, label: int) -> str:
        if label == 0:
            return "neutral"
        if label < 0:
            failed = [probe.line for probe in self.probes if not probe.recoverable and probe.line <= line]
            return f"no completion of line {max(failed)} passed" if failed else "the whole response fails"
        proofs = [probe.line for probe in self.probes if probe.recoverable]
        later = [proof for proof in proofs if proof >= line]
        return (
            f"a completion of line {min(later)} passed"
            if later
            else f"shared by one of line {max(proofs)} that passed"
        )


def write_label_page(
    programs: Sequence[LabelledProgram], report: Mapping[str, Any], title: str, path: Path
) -> None:
    """Programs with a disputed line come first."""
    ordered = sorted(programs, key=lambda program: not any(line["disputed"] for line in program.lines))
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    template = environment.get_template("labels.html.j2")
    path.write_text(
        template.render(title=title, programs=ordered[:MOST_SHOWN], total=len(programs), report=report),
        encoding="utf-8",
    )
