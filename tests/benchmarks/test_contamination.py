"""Training problems that hold a benchmark problem are found; others are left alone."""

from __future__ import annotations

from tasks.benchmarks.contamination import overlaps
from tasks.problems import Problem

LONG = "Write a function that returns the k largest numbers of a list in descending order without sorting it twice"


def problem(name, prompt, reference=None):
    return Problem(name, prompt, "f", "", reference, 0, "train", "here", "none")


def test_exact_copies_are_found_whatever_the_spacing_and_case():
    found = overlaps([problem("b/1", LONG)], [problem("t/1", LONG.upper().replace(" ", "\n  "))])
    assert [(one.problem_id, one.training_id, one.share, one.exact) for one in found] == [
        ("b/1", "t/1", 1.0, True)
    ]


def test_a_copy_inside_a_longer_text_is_found_but_not_exact():
    (found,) = overlaps(
        [problem("b/1", LONG)], [problem("t/1", f"Story first. {LONG}. And more words follow here.")]
    )
    assert found.share == 1.0
    assert not found.exact


def test_the_worst_overlap_is_reported_once():
    half = " ".join(LONG.split()[:15])
    found = overlaps(
        [problem("b/1", LONG)], [problem("t/half", half), problem("t/all", LONG), problem("t/too", LONG)]
    )
    assert [one.training_id for one in found] == ["t/all"]


def test_common_phrases_are_no_contamination():
    other = (
        "Write a function that returns the k smallest words of a text in alphabetical order without a loop"
    )
    assert overlaps([problem("b/1", LONG)], [problem("t/1", other)]) == []
    assert overlaps([problem("b/1", LONG)], []) == []


def test_solutions_count():
    code = "    return [x for x in sorted(xs, key=lambda x: (x % 7, -x))][: len(xs) // 2 + 1]\n"
    assert overlaps([problem("b/1", "def f(xs):\n", code)], [problem("t/1", "def f(xs):\n", code)])


def test_short_texts_are_compared_whole():
    assert overlaps([problem("b/1", "add them")], [problem("t/1", "add them")])
    assert not overlaps([problem("b/1", "add them")], [problem("t/1", "add these")])
