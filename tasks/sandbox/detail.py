"""The detail text of a verdict: one printable line, capped, and the same on every run."""

from __future__ import annotations

import re

LONGEST = 500

_CHANGING = (
    (re.compile(r"0x[0-9a-fA-F]{6,}"), "0x.."),
    (re.compile(r"/tmp/[\w.\-]+"), "/tmp/.."),  # noqa: S108
    (re.compile(r"\b(pid|process|thread)([ =:]+)\d+", re.IGNORECASE), r"\1\2.."),
)


def clean(text: str) -> str:
    """`text` without what differs between runs, escaped to one printable line of at most LONGEST characters."""
    text = text[: 4 * LONGEST]
    for pattern, replacement in _CHANGING:
        text = pattern.sub(replacement, text)
    line = "".join(letter if letter.isprintable() else _escape(letter) for letter in text)
    return line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape", "surrogatepass").decode("ascii")


def show(value: object) -> str:
    """A short repr of a decoded value."""
    try:
        text = repr(value)
    except (ValueError, RecursionError, MemoryError):  # ints too long to print
        return f"a {type(value).__name__}"
    return text if len(text) <= 160 else text[:157] + "..."
