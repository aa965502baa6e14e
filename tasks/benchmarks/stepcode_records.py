"""StepCode's third domain: rows of a table, each a dict with a name, a team, an age and a score.

The rules of the first domain hold: an operation is total, leaves its argument (and its rows) alone, stands at most once in
a problem, and each of its wrong blocks differs in one line. Only the last step may make something else of the rows:
a number, a list of names, a dict by team.
"""

from __future__ import annotations

import random

from tasks.benchmarks.stepcode_domain import Domain
from tasks.benchmarks.stepcode_operations import EXTREMES, PARITY, Operation, numbers

NAMES = ("ann", "bob", "cy", "dee", "eli", "flo", "gus", "hal")
TEAMS = ("red", "blue", "green")
AGES = range(18, 66)
SCORES = range(101)
LENGTHS = range(6, 11)


def by_row(body: str) -> str:
    """A loop over `rows` that builds `out`; `body` is the loop's block."""
    indented = "\n".join("    " + line for line in body.split("\n"))
    return f"out = []\nfor r in rows:\n{indented}\nrows = out"


def _kept(condition: str) -> str:
    return f"rows = [r for r in rows if {condition}]"


def _set(key: str, value: str) -> str:
    return f'rows = [{{{{**r, "{key}": {value}}}}} for r in rows]'


def _sorted(key: str, reverse: str = "{code}") -> str:
    return f'rows = sorted(rows, key=lambda r: r["{key}"], reverse={reverse})'


ORDERS = (
    {"word": "lowest", "code": "False", "other": "True"},
    {"word": "highest", "code": "True", "other": "False"},
)
KEYS = ({"key": "age", "other": "score"}, {"key": "score", "other": "age"})
ABOVE = tuple(
    {"key": key, "k": k, "other": other}
    for key, k, other in (
        ("age", 25, "score"),
        ("age", 30, "score"),
        ("score", 15, "age"),
        ("score", 30, "age"),
    )
)

OPERATIONS = (
    Operation(
        "drop_team",
        "drop the rows of team {team}",
        _kept('r["team"] != "{team}"'),
        (_kept('r["team"] == "{team}"'), _kept('r["name"] != "{team}"')),
        tuple({"team": team} for team in TEAMS),
    ),
    Operation(
        "keep_above",
        "keep the rows with {key} above {k}",
        _kept('r["{key}"] > {k}'),
        (_kept('r["{key}"] < {k}'), _kept('r["{other}"] > {k}')),
        ABOVE,
    ),
    Operation(
        "drop_parity",
        "drop the rows with {word} age",
        _kept('r["age"] % 2 != {r}'),
        (_kept('r["age"] % 2 == {r}'), _kept('r["score"] % 2 != {r}')),
        PARITY,
    ),
    Operation(
        "drop_first",
        "drop the first {k} rows",
        "rows = rows[{k}:]",
        ("rows = rows[{more}:]", "rows = rows[:-{k}]"),
        numbers(2, 3),
    ),
    Operation(
        "keep_first",
        "keep the first {k} rows",
        "rows = rows[:{k}]",
        ("rows = rows[:{less}]", "rows = rows[-{k}:]"),
        numbers(4, 5, 6),
    ),
    Operation(
        "first_of_name",
        "keep the first row of each name",
        by_row('if all(r["name"] != o["name"] for o in out):\n    out.append(r)'),
        (
            by_row('if all(r["team"] != o["team"] for o in out):\n    out.append(r)'),
            by_row('if any(r["name"] != o["name"] for o in out):\n    out.append(r)'),
        ),
    ),
    Operation(
        "drop_extreme",
        "drop the rows with the {word} score",
        'm = {f}((r["score"] for r in rows), default=0)\nrows = [r for r in rows if r["score"] != m]',
        (
            'm = {other}((r["score"] for r in rows), default=0)\nrows = [r for r in rows if r["score"] != m]',
            'm = {f}((r["score"] for r in rows), default=0)\nrows = [r for r in rows if r["score"] == m]',
        ),
        EXTREMES,
    ),
    Operation(
        "sort_age",
        "sort by age, {word} first",
        _sorted("age"),
        (_sorted("age", "{other}"), _sorted("score")),
        ORDERS,
    ),
    Operation(
        "sort_score",
        "sort by score, {word} first",
        _sorted("score"),
        (_sorted("score", "{other}"), _sorted("age")),
        ORDERS,
    ),
    Operation(
        "sort_name",
        "sort by name",
        _sorted("name", "False"),
        (_sorted("name", "True"), _sorted("team", "False")),
    ),
    Operation("reverse", "reverse the rows", "rows = rows[::-1]", ("rows = rows[::1]", "rows = rows[:0:-1]")),
    Operation(
        "rotate",
        "move the first {k} rows to the end",
        "rows = rows[{k}:] + rows[:{k}]",
        ("rows = rows[-{k}:] + rows[:-{k}]", "rows = rows[{k}:] + rows[:{more}]"),
        numbers(2, 3),
    ),
    Operation(
        "add",
        "add {k} to each {key}",
        _set("{key}", 'r["{key}"] + {k}'),
        (_set("{key}", 'r["{key}"] - {k}'), _set("{key}", 'r["{other}"] + {k}')),
        tuple({**keys, "k": k} for keys in KEYS for k in (2, 5, 10)),
    ),
    Operation(
        "double",
        "double each score",
        _set("score", 'r["score"] * 2'),
        (_set("score", 'r["score"] + 2'), _set("age", 'r["score"] * 2')),
    ),
    Operation(
        "add_age",
        "add the age to the score",
        _set("score", 'r["score"] + r["age"]'),
        (_set("score", 'r["score"] - r["age"]'), _set("age", 'r["score"] + r["age"]')),
    ),
    Operation(
        "cap",
        "lower scores above {k} to {k}",
        _set("score", 'min(r["score"], {k})'),
        (_set("score", 'max(r["score"], {k})'), _set("score", 'min(r["age"], {k})')),
        numbers(40, 60),
    ),
    Operation(
        "remainder",
        "replace each score by its remainder by {k}",
        _set("score", 'r["score"] % {k}'),
        (_set("score", 'r["score"] // {k}'), _set("score", 'r["score"] % {more}')),
        numbers(20, 30),
    ),
    Operation(
        "move",
        "move team {a} to team {b}",
        'rows = [{{**r, "team": "{b}"}} if r["team"] == "{a}" else r for r in rows]',
        (
            'rows = [{{**r, "team": "{a}"}} if r["team"] == "{b}" else r for r in rows]',
            'rows = [{{**r, "team": "{b}"}} if r["team"] != "{a}" else r for r in rows]',
        ),
        tuple({"a": a, "b": b} for a, b in (("red", "blue"), ("blue", "green"), ("green", "red"))),
    ),
    Operation(
        "count",
        "count the rows",
        "return len(rows)",
        ("return len(rows) + 1", "return len(rows) - 1"),
        reduces=True,
    ),
    Operation(
        "sum",
        "sum the {key}s",
        'return sum(r["{key}"] for r in rows)',
        ('return sum(r["{other}"] for r in rows)', 'return max((r["{key}"] for r in rows), default=0)'),
        KEYS,
        reduces=True,
    ),
    Operation(
        "extreme_key",
        "tell the {word} score, 0 without rows",
        'return {f}((r["score"] for r in rows), default=0)',
        (
            'return {other}((r["score"] for r in rows), default=0)',
            'return {f}((r["age"] for r in rows), default=0)',
        ),
        EXTREMES,
        reduces=True,
    ),
    Operation(
        "list_names",
        "list the names",
        'return [r["name"] for r in rows]',
        ('return [r["team"] for r in rows]', 'return [r["name"] for r in rows[1:]]'),
        reduces=True,
    ),
    Operation(
        "count_teams",
        "count the rows of each team",
        'n = {{}}\nfor r in rows:\n    n[r["team"]] = n.get(r["team"], 0) + 1\nreturn n',
        (
            'n = {{}}\nfor r in rows:\n    n[r["team"]] = n.get(r["team"], 1) + 1\nreturn n',
            'n = {{}}\nfor r in rows:\n    n[r["name"]] = n.get(r["team"], 0) + 1\nreturn n',
        ),
        reduces=True,
    ),
    Operation(
        "sum_teams",
        "sum the {key}s of each team",
        'n = {{}}\nfor r in rows:\n    n[r["team"]] = n.get(r["team"], 0) + r["{key}"]\nreturn n',
        (
            'n = {{}}\nfor r in rows:\n    n[r["team"]] = n.get(r["team"], 0) + r["{other}"]\nreturn n',
            'n = {{}}\nfor r in rows:\n    n[r["team"]] = n.get(r["name"], 0) + r["{key}"]\nreturn n',
        ),
        KEYS,
        reduces=True,
    ),
)


def _place_in_team(step: str, key: str) -> str:
    body = f't = r["team"]\nn[t] = n.get(t, 0) + {step}\nout.append({{{{**r, "{key}": r["{key}"] + n[t]}}}})'
    return f"n = {{{{}}}}\n{by_row(body)}"


def _best_of_team(compared: str, key: str) -> str:
    return (
        "best = {{}}\nfor r in rows:\n"
        f'    t = r["team"]\n    if t not in best or r["{key}"] {compared} best[t]["{key}"]:\n        best[t] = r\n'
        "rows = list(best.values())"
    )


def _merged(total: str, key: str) -> str:
    return (
        "last = {{}}\nfor r in rows:\n"
        f'    t = r["{key}"]\n    if t in last:\n        last[t] = {{{{**last[t], "score": {total}}}}}\n'
        "    else:\n        last[t] = r\nrows = list(last.values())"
    )


def _totals(added: str, start: str) -> str:
    body = f't += r["{added}"]\nif t > {{k}}:\n    t = {start}\nout.append({{{{**r, "score": t}}}})'
    return f"t = 0\n{by_row(body)}"


def _by_age(young: str, old: str) -> str:
    body = (
        f's = r["score"]\nif r["age"] < 30:\n    s += {young}\nelif r["age"] > {{k}}:\n    s -= {old}\nelse:\n    s += 1\n'
        'out.append({{**r, "score": s}})'
    )
    return by_row(body)


def _at_most(limit: str, key: str) -> str:
    body = f't = r["{key}"]\nif n.get(t, 0) < {limit}:\n    out.append(r)\nn[t] = n.get(t, 0) + 1'
    return f"n = {{{{}}}}\n{by_row(body)}"


def _team_changes(compared: str, kept: str) -> str:
    better = f'if r["score"] > out[-1]["score"]:\n        {kept}'
    return by_row(f'if out and r["team"] {compared} out[-1]["team"]:\n    {better}\nelse:\n    out.append(r)')


def _together(first: str, order: str) -> str:
    return (
        "teams = {{}}\nfor r in rows:\n"
        f'    if r["{first}"] not in teams:\n        teams[r["{first}"]] = []\n    teams[r["{first}"]].append(r)\n'
        f"out = []\nfor t in sorted(teams{order}):\n    out += teams[t]\nrows = out"
    )


LONG_OPERATIONS = (
    Operation(
        "place_in_team",
        "add to each score the row's place within its team, from 1",
        _place_in_team("1", "score"),
        (_place_in_team("2", "score"), _place_in_team("1", "age")),
    ),
    Operation(
        "best_of_team",
        "keep of each team the first row with the {word} score, teams as they come",
        _best_of_team("{code}", "score"),
        (_best_of_team("{other}", "score"), _best_of_team("{code}", "age")),
        ({"word": "highest", "code": ">", "other": "<"}, {"word": "lowest", "code": "<", "other": ">"}),
    ),
    Operation(
        "merge",
        "merge rows of one {key} into its first row, the scores summed",
        _merged('last[t]["score"] + r["score"]', "{key}"),
        (_merged('last[t]["score"] + 1', "{key}"), _merged('last[t]["score"] + r["score"]', "{other}")),
        ({"key": "name", "other": "team"}, {"key": "team", "other": "name"}),
    ),
    Operation(
        "running_total",
        "replace scores by running totals; start again from 0 after {k}",
        _totals("score", "0"),
        (_totals("age", "0"), _totals("score", "1")),
        numbers(80, 120),
    ),
    Operation(
        "by_age",
        "add 5 to scores below age 30, take 5 above age {k}, add 1 to the rest",
        _by_age("5", "5"),
        (_by_age("1", "5"), _by_age("5", "1")),
        numbers(40, 50),
    ),
    Operation(
        "at_most",
        "keep at most {k} rows of each {key}",
        _at_most("{k}", "{key}"),
        (_at_most("{more}", "{key}"), _at_most("{k}", "{other}")),
        (
            {"k": 1, "more": 2, "key": "team", "other": "name"},
            {"k": 2, "more": 3, "key": "team", "other": "name"},
            {"k": 1, "more": 2, "key": "name", "other": "team"},
        ),
    ),
    Operation(
        "team_changes",
        "of neighbours in one team keep only the one with the higher score",
        _team_changes("==", "out[-1] = r"),
        (_team_changes("!=", "out[-1] = r"), _team_changes("==", "out.append(r)")),
    ),
    Operation(
        "together",
        "put the rows of each {key} together, {key}s in alphabetical order",
        _together("{key}", ""),
        (_together("{key}", ", reverse=True"), _together("{other}", "")),
        ({"key": "name", "other": "team"}, {"key": "team", "other": "name"}),
    ),
)


def random_rows(rng: random.Random) -> list[dict[str, object]]:
    return [_row(rng) for _ in range(rng.choice(LENGTHS))]


def _row(rng: random.Random) -> dict[str, object]:
    return {
        "name": rng.choice(NAMES),
        "team": rng.choice(TEAMS),
        "age": rng.choice(AGES),
        "score": rng.choice(SCORES),
    }


def edge_cases(rng: random.Random) -> list[list[dict[str, object]]]:
    """Empty, one row, one team only, full of duplicates."""
    few = [_row(rng) for _ in range(3)]
    team = rng.choice(TEAMS)
    return [[], [_row(rng)], [{**_row(rng), "team": team} for _ in range(5)], rng.choices(few, k=7)]


RECORDS = Domain("records", "rows", "stepcode/records", OPERATIONS, LONG_OPERATIONS, random_rows, edge_cases)
