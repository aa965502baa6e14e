"""What is wrong with one test of one program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.sandbox.program import Status


@dataclass(frozen=True)
class Finding:
    """`final`: no later test was tried, and how the process ended says nothing more."""

    status: Status
    detail: str
    line: int | None = None
    final: bool = False


def of_raised(reply: Mapping[str, Any]) -> Finding:
    """The finding for an exception that the candidate reports. The report is the candidate's: nothing is believed."""
    names, text, line = reply.get("raised"), reply.get("text"), reply.get("line")
    name = names[0] if type(names) is list and names and type(names[0]) is str else "an exception"
    text, line = text if type(text) is str else "", line if type(line) is int and 0 < line < 1 << 31 else None
    place = f" (line {line})" if line else ""
    detail = f"{name[:80]}: {text}{place}" if text else f"{name[:80]}{place}"
    if name == "MemoryError":
        return Finding("memory", detail, line, final=True)
    return Finding("error", detail, line, final=reply.get("where") == "code")
