"""Lines are the steps of process supervision (section 3.1): split, told neutral or not, tied to tokens.

A line ends with its newline; an unfinished last line counts. Only "\n" ends a line (a form feed or U+2028 inside a string
does not), so that lines, tokens and Python agree.

A line is neutral when it does nothing: only a comment, blank, or part of a docstring. The paper names comments; blank and
docstring lines are our addition, for the same reason (a policy can write them without end). Python's own tokenizer
decides: a `#` inside a string is code, a comment behind code leaves the line code, a blank line inside a string that
is code is code. Any string that stands alone as a statement counts as a docstring. Where a program stops
tokenizing, the rest is judged line by line (blank or starting with `#`); an unfinished multi-line string is code.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from tokenize import TokenInfo

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_BLANK = " \t\f\r\n"  # to Python any other white space, such as U+2028, is an error outside of strings
_LAYOUT = frozenset(
    {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
)


def split_lines(text: str) -> list[str]:
    """Lines with their newlines; concatenated they are `text`; "" has none."""
    return _LINE.findall(text)


def neutral_lines(prompt: str, response: str) -> list[bool]:
    """For each line of `response`, read as the continuation of `prompt`: is it neutral?"""
    lines = split_lines(response)
    first_row = prompt.count("\n") + 1
    first_column = len(prompt) - (prompt.rfind("\n") + 1)
    code, judged_rows = _code_rows(prompt + response, (first_row, first_column))
    return [
        row not in code and (row <= judged_rows or _looks_neutral(line))
        for row, line in enumerate(lines, start=first_row)
    ]


def line_end_tokens(pieces: Sequence[bytes]) -> list[int]:
    """For each line of the concatenated `pieces`, the index of the piece that holds its last byte.

    A token can end several lines (a published tokenizer may have one for two newlines): its index then comes twice.
    """
    ends = [index for index, piece in enumerate(pieces) for _ in range(piece.count(b"\n"))]
    last = max((index for index, piece in enumerate(pieces) if piece), default=None)
    if last is not None and not pieces[last].endswith(b"\n"):
        ends.append(last)
    return ends


def _code_rows(source: str, start: tuple[int, int]) -> tuple[set[int], int]:
    """Rows (1-based) that hold code at or after `start`, and the last row up to which that is known."""
    code: set[int] = set()
    tokens: list[TokenInfo] = []
    known = source.count("\n") + 1
    try:
        for token in _logical_tokens(source):
            tokens.append(token)
            if token.type == tokenize.NEWLINE:
                _mark(tokens, start, code)
                tokens = []
    except (tokenize.TokenError, SyntaxError) as error:
        row = _failed_at(error)
        known = min(row - 1, known)
        if "multi-line string" in str(error):
            code.update(range(row, source.count("\n") + 2))
    _mark(tokens, start, code)
    return code, known


def _logical_tokens(source: str) -> Iterator[TokenInfo]:
    return tokenize.generate_tokens(io.StringIO(source, newline="\n").readline)


def _mark(tokens: Sequence[TokenInfo], start: tuple[int, int], code: set[int]) -> None:
    """Add the rows of one statement's code tokens; a statement that is only a string adds none."""
    meaningful = [token for token in tokens if token.type not in _LAYOUT]
    if meaningful and all(_is_plain_string(token) for token in meaningful):
        return
    for token in meaningful:
        if token.end > start:
            code.update(range(max(token.start[0], start[0]), token.end[0] + 1))


def _is_plain_string(token: TokenInfo) -> bool:
    """A string literal that cannot do anything: f-strings can."""
    return token.type == tokenize.STRING and "f" not in token.string.split(token.string[-1])[0].lower()


def _failed_at(error: Exception) -> int:
    if isinstance(error, SyntaxError):
        return error.lineno or 1
    return int(error.args[1][0])


def _looks_neutral(line: str) -> bool:
    text = line.strip(_BLANK)
    return not text or text.startswith("#")
