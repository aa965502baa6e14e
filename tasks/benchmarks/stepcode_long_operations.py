"""StepCode's long operations: loops with conditionals, five to eleven lines each, for the longest problems only.

They stand apart from `OPERATIONS` so that the shorter problems, their streams and their demonstrations stay what they
are. The same rules hold: total, argument left unchanged, at most once in a problem; each wrong block differs in a line.
"""

from __future__ import annotations

from collections.abc import Mapping

from tasks.benchmarks.stepcode_operations import EXTREMES, PARITY, Operation, each, numbers


def _bands(*pairs: tuple[int, int]) -> tuple[Mapping[str, object], ...]:
    return tuple({"low": low, "high": high} for low, high in pairs)


def _clamp(below: str, above: str) -> str:
    return each(
        f"if {below}:\n    ys.append({{low}})\nelif {above}:\n    ys.append({{high}})\nelse:\n    ys.append(x)"
    )


def _run_totals(start: str, remember: str) -> str:
    body = f"if ys and x % 2 == r:\n    ys[-1] += x\nelse:\n    ys.append({start})\n{remember}"
    return f"r = 0\n{each(body)}"


def _reset(total: str, start: str) -> str:
    return "t = 0\n" + each(
        f"{total}\nif t > {{k}}:\n    ys.append({{k}})\n    {start}\nelse:\n    ys.append(t)"
    )


def _by_band(above: str, below: str, between: str) -> str:
    return each(
        f"if x > {{k}}:\n    ys.append({above})\nelif x < 0:\n    ys.append({below})\nelse:\n    ys.append({between})"
    )


def _pairs(both: str, alone: str) -> str:
    """Walk over pairs of neighbours; `both` with a partner, `alone` for a last number without one."""
    return (
        "ys = []\ni = 0\nwhile i < len(xs):\n    if i + 1 < len(xs):\n"
        + "".join(f"        {line}\n" for line in both.split("\n"))
        + f"    else:\n        {alone}\n    i += 2\nxs = ys"
    )


def _from_both_ends(first: str, second: str) -> str:
    return (
        f"ys = []\na = 0\nb = len(xs) - 1\nwhile a < b:\n    ys.append({first})\n    ys.append({second})\n"
        "    a += 1\n    b -= 1\nif a == b:\n    ys.append(xs[a])\nxs = ys"
    )


def _neighbours(left: str, right: str) -> str:
    return (
        "ys = []\nfor i in range(len(xs)):\n    t = xs[i]\n"
        f"    if i > 0:\n        t = {left}(t, xs[i - 1])\n"
        f"    if i + 1 < len(xs):\n        t = {right}(t, xs[i + 1])\n    ys.append(t)\nxs = ys"
    )


def _skipping(condition: str, otherwise: str) -> str:
    body = f"if skip:\n    skip = False\nelse:\n    ys.append(x)\n    skip = {condition}"
    return f"skip = {otherwise}\n{each(body)}"


LONG_OPERATIONS = (
    Operation(
        "clamp",
        "raise numbers below {low} to {low}, lower numbers above {high} to {high}",
        _clamp("x < {low}", "x > {high}"),
        (_clamp("x > {low}", "x > {high}"), _clamp("x < {low}", "x < {high}")),
        _bands((-6, 12), (-3, 15), (0, 9)),
    ),
    Operation(
        "parity_runs",
        "sum each run of numbers of equal parity",
        _run_totals("x", "r = x % 2"),
        (_run_totals("x", "r = ys[-1] % 2"), _run_totals("0", "r = x % 2")),
    ),
    Operation(
        "reset_total",
        "take running totals; write {k} and start again from 0 when above {k}",
        _reset("t += x", "t = 0"),
        (_reset("t += x", "t = x"), _reset("t -= x", "t = 0")),
        numbers(10, 15, 20),
    ),
    Operation(
        "by_band",
        "subtract {k} above {k}, add {k} below 0, double the rest",
        _by_band("x - {k}", "x + {k}", "x * 2"),
        (_by_band("x - {k}", "x - {k}", "x * 2"), _by_band("x - {k}", "x + {k}", "x + 2")),
        numbers(4, 8, 12),
    ),
    Operation(
        "swap_pairs",
        "swap the numbers of each pair of neighbours",
        _pairs("ys.append(xs[i + 1])\nys.append(xs[i])", "ys.append(xs[i])"),
        (
            _pairs("ys.append(xs[i])\nys.append(xs[i])", "ys.append(xs[i])"),
            _pairs("ys.append(xs[i + 1])\nys.append(xs[i + 1])", "ys.append(xs[i])"),
        ),
    ),
    Operation(
        "pair_totals",
        "write each pair of neighbours as its sum and its {word} number",
        _pairs("ys.append(xs[i] + xs[i + 1])\nys.append({f}(xs[i], xs[i + 1]))", "ys.append(xs[i])"),
        (
            _pairs("ys.append(xs[i] - xs[i + 1])\nys.append({f}(xs[i], xs[i + 1]))", "ys.append(xs[i])"),
            _pairs("ys.append(xs[i] + xs[i + 1])\nys.append({other}(xs[i], xs[i + 1]))", "ys.append(xs[i])"),
        ),
        EXTREMES,
    ),
    Operation(
        "both_ends",
        "take numbers from the front and the back in turn",
        _from_both_ends("xs[a]", "xs[b]"),
        (_from_both_ends("xs[b]", "xs[a]"), _from_both_ends("xs[a]", "xs[a]")),
    ),
    Operation(
        "neighbour_extreme",
        "replace each number by the {word} of it and its neighbours",
        _neighbours("{f}", "{f}"),
        (_neighbours("{other}", "{f}"), _neighbours("{f}", "{other}")),
        EXTREMES,
    ),
    Operation(
        "skip_after",
        "after each {word} number that is kept, skip the next",
        _skipping("x % 2 == {r}", "False"),
        (_skipping("x % 2 == {other}", "False"), _skipping("x % 2 == {r}", "True")),
        PARITY,
    ),
    Operation(
        "keep_apart",
        "keep each number that is more than {k} away from the last kept",
        each("if not ys:\n    ys.append(x)\nelif abs(x - ys[-1]) > {k}:\n    ys.append(x)"),
        (
            each("if not ys:\n    ys.append(x)\nelif abs(x - ys[-1]) < {k}:\n    ys.append(x)"),
            each("if not ys:\n    ys.append(x)\nelif abs(x - ys[0]) > {k}:\n    ys.append(x)"),
        ),
        numbers(2, 4, 6),
    ),
)
