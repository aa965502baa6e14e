"""Run a sample program a few times before the fork server exists.

A forked process pays for every memory page it is the first to write: caches inside the interpreter that are filled here
are not filled (and copied) again by every program. This more than halves the cost of a program (`python -m bench sandbox`).
"""

from __future__ import annotations

import socket
import sys

from tasks.sandbox import codec, frames, runner

_ROUNDS = 24  # the interpreter specialises code after some executions
_SAMPLE = '''
from typing import Any, Dict, List, Optional, Tuple
import math, re
from collections import Counter, defaultdict


class Box:
    """A class."""

    def __init__(self, value: int = 0) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Box({self.value!r})"


def helper(text: str, n: int) -> str:
    parts = [word.strip().lower()[::-1] for word in text.split(" ") if word]
    return ", ".join(sorted(parts, key=lambda word: (len(word), word)))[:n]


def sample(numbers: List[int], text: str, scale: float = 1.5) -> Tuple[Any, ...]:
    """A function with most of what small programs do.

    >>> sample([1], "a")
    """
    total, seen, table = 0, set(), {}
    for place, number in enumerate(numbers):
        if number % 2 == 0 and number not in seen:
            total += number * place
        elif number > 3 or not text:
            table[str(number)] = table.get(str(number), 0) + 1
        seen.add(number)
    while total > 10:
        total //= 2
    try:
        int(text)
    except ValueError as error:
        table["error"] = str(error)[:3]
    pairs = list(zip(numbers, numbers[1:], strict=False))
    best = max((abs(a - b) for a, b in pairs), default=0)
    counts = Counter(text)
    groups = defaultdict(list)
    for letter in text:
        groups[ord(letter) % 3].append(letter.upper())
    flag = all(isinstance(number, int) for number in numbers) and any(numbers)
    root = round(math.sqrt(best) * scale, 2)
    found = re.sub(r"[aeiou]", "", text)
    return total, helper(text, 20), table, flag, root, found, sorted(counts.items()), Box(best).value, range(3), None
'''


def warm_up() -> None:
    """Run the sample as the runner runs programs; nothing of it is left."""
    arguments = codec.encode([[1, 2, 5, 8, 13, 21], "some Words to turn around"])
    request = {"call": "sample", "args": arguments, "kwargs": codec.encode({"scale": 2.0})}
    call = frames.pack(codec.to_text(request).encode())
    for _ in range(_ROUNDS):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.sendall(call + call)
            ours.shutdown(socket.SHUT_WR)
            runner.new_module("candidate")
            runner.answer_calls(theirs.fileno(), _SAMPLE)
    sys.modules.pop("candidate", None)
