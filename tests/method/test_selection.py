"""Each strategy keeps what its docstring says, and problems are held out whole."""

from __future__ import annotations

import pytest

from tasks.method.selection import Labelled, hold_out, pass_rates, select


def response(name, problem, labels, passed=False, sampled=True):
    return Labelled(name, problem, "x\n", passed, sampled, tuple(labels))


ALL = [
    response("easy-1", "easy", [1, 1], passed=True),
    response("easy-2", "easy", [1, 0], passed=True),
    response("medium-1", "medium", [1, 1], passed=True),
    response("medium-revised", "medium", [1, 0, -1]),
    response("medium-lost", "medium", [-1, -1]),
    response("hard-revised", "hard", [1, -1]),
    response("hard-lost", "hard", [0, -1]),
]


@pytest.mark.parametrize(
    "strategy, kept",
    [
        ("full", [one.response_id for one in ALL]),
        ("remove_hard", ["easy-1", "easy-2", "medium-1", "medium-revised", "medium-lost"]),
        ("medium_only", ["medium-1", "medium-revised", "medium-lost"]),
        ("revised_only", ["medium-revised", "hard-revised"]),
    ],
)
def test_strategies(strategy, kept):
    assert [one.response_id for one in select(ALL, strategy)] == kept


def test_an_edited_reference_does_not_make_a_problem_easier():
    edited = [
        response("m", "hard", [1, -1], sampled=False),
        response("n", "hard", [1], passed=True, sampled=False),
    ]
    assert pass_rates([*ALL, *edited])["hard"] == 0
    assert "n" not in [one.response_id for one in select([*ALL, *edited], "remove_hard")]
    assert "m" in [one.response_id for one in select([*ALL, *edited], "revised_only")]


@pytest.mark.parametrize(
    "problems, share, fewest, most",
    [(1000, 0.15, 120, 180), (2, 0.01, 1, 1), (2, 0.99, 1, 1), (10, 0.0001, 1, 1)],
)
def test_about_the_share_is_held_out_never_none_never_all(problems, share, fewest, most):
    names = [f"p{n}" for n in range(problems)]
    held = hold_out(names, share, seed=0)
    assert fewest <= len(held) <= most
    assert held == hold_out(reversed(names), share, seed=0)
    assert problems < 100 or held != hold_out(names, share, seed=1)


def test_which_problems_are_held_out_does_not_depend_on_the_selection():
    names = [f"p{n}" for n in range(300)]
    some = names[::3]
    assert hold_out(some, 0.15, seed=0) == hold_out(names, 0.15, seed=0) & set(some)
