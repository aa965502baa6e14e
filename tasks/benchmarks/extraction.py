"""From what a model wrote to code: base models go on from the prompt, chat models wrap code in prose and fences."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

_FENCE = re.compile(
    r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+-]*)[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL
)
_CODE_LANGUAGES = ("", "python", "python3", "py")


def normalise(text: str) -> str:
    """Unix line ends. Tabs stay: Python reads them, and mixing them is the model's mistake to make."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def until_stop(response: str, stop: Sequence[str]) -> str:
    """The response up to the first stop word."""
    ends = [position for word in stop if (position := response.find(word)) >= 0]
    return response[: min(ends)] if ends else response


def fenced_code(response: str, entry_point: str = "") -> str:
    """The code of a chat response.

    Of several fenced blocks the last one that defines `entry_point` is taken, else the longest; a fence that is never
    closed ends with the text. Without a fence: the longest run of lines that parses as Python, else everything.
    """
    text = normalise(response)
    blocks = [match.group(3) for match in _FENCE.finditer(text) if match.group(2).lower() in _CODE_LANGUAGES]
    if not blocks:
        return _longest_program(text)
    defining = [block for block in blocks if defines(block, entry_point)]
    return defining[-1] if defining else max(blocks, key=len)


def defines(code: str, entry_point: str) -> bool:
    """Whether `code` defines the function, or the class of a `Class().method` entry point."""
    name = re.escape(entry_point.split("()")[0])
    return (
        bool(entry_point)
        and re.search(rf"^(async\s+def|def|class)\s+{name}\b", code, re.MULTILINE) is not None
    )


def with_prompt_parts(prompt: str, code: str, entry_point: str) -> str:
    """Whole program for a chat answer: the prompt's imports and helpers first, unless the answer brings its own.

    An answer that is only the function's body continues the prompt.
    """
    if not defines(code, entry_point):
        return prompt + code
    return prompt_helpers(prompt, entry_point, code) + code


def prompt_helpers(prompt: str, entry_point: str, code: str = "") -> str:
    """Source of what stands beside `entry_point` in the prompt and is not defined by `code`: imports, helpers."""
    try:
        tree = ast.parse(prompt + "\n    pass\n")
    except SyntaxError:
        return ""
    kept = [
        ast.get_source_segment(prompt, node) or ast.unparse(node)
        for node in tree.body
        if getattr(node, "name", None) != entry_point and not _brings(code, node)
    ]
    return "".join(segment + "\n\n" for segment in kept)


def _brings(code: str, node: ast.stmt) -> bool:
    name = getattr(node, "name", None)
    return isinstance(name, str) and defines(code, name)


def _longest_program(text: str) -> str:
    """Prose is no Python: from each line that could start a program, as far as it parses; the longest such part."""
    lines = text.split("\n")
    best = ""
    for start, line in enumerate(lines):
        if re.match(r"(def|class|import|from|async def)\b|@", line):
            end = len(lines)
            while end > start and (fault := _faulty_line("\n".join(lines[start:end]))):
                end = min(end - 1, start + fault - 1)
            best = max(best, "\n".join(lines[start:end]), key=len)
    return best + "\n" if best else text


def _faulty_line(code: str) -> int:
    """1-based line of the first syntax error, 0 if the code parses."""
    try:
        ast.parse(code)
    except SyntaxError as error:
        return error.lineno or 1
    except (ValueError, RecursionError, MemoryError):
        return 1
    return 0
