"""Edits change one line, keep what they should, and get the label that execution gives them."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from tasks.benchmarks.stepcode import generate
from tasks.method.lines import split_lines
from tasks.method.mutation import all_edits, draw_edits, edit_rows
from tasks.problems import problems_from_rows
from tasks.rows import LABELS, read_rows, write_rows
from tasks.sandbox import Limits, Sandbox

PROMPT = 'def f(xs, k):\n    """Sum of what is at least k."""\n'
REFERENCE = (
    "    total = 0\n    for x in xs:\n        if x >= k:\n            total += x * 2\n    return total // 2\n"
)


def edited_lines(text):
    pairs = zip(split_lines(REFERENCE), split_lines(text), strict=True)
    return [number for number, (old, new) in enumerate(pairs, start=1) if old != new]


def test_an_edit_changes_its_own_line_or_swaps_it_with_the_next():
    for edit in all_edits(PROMPT, REFERENCE):
        expected = [edit.line, edit.line + 1] if edit.rule == "reordered statements" else [edit.line]
        assert edited_lines(edit.text) == expected, edit


def test_every_edit_still_parses_and_none_comes_twice():
    edits = all_edits(PROMPT, REFERENCE)
    for edit in edits:
        ast.parse(PROMPT + edit.text)
    assert len({edit.text for edit in edits}) == len(edits) > 20


@pytest.mark.parametrize(
    "rule, line, written",
    [
        ("operator swap", 3, "        if x > k:"),
        ("operator swap", 4, "            total -= x * 2"),
        ("off by one", 5, "    return total // 3"),
        ("wrong variable", 5, "    return xs // 2"),
        ("negated condition", 3, "        if (not (x >= k)):"),
        ("dropped statement", 4, "            pass"),
        ("mirrored operands", 3, "        if k <= x:"),
        ("spelled out", 4, "            total = total + x * 2"),
    ],
)
def test_rules_write_what_they_say(rule, line, written):
    texts = [edit.text for edit in all_edits(PROMPT, REFERENCE) if (edit.rule, edit.line) == (rule, line)]
    assert written in [split_lines(text)[line - 1].rstrip("\n") for text in texts]


def test_loop_variables_are_renamed_and_neighbours_swapped():
    response = "    a = [x for x in xs if x]\n    b = 1\n    return a\n"
    written = {edit.rule: edit.text for edit in all_edits("def f(xs):\n", response)}
    assert "for value in xs if value]" in written["renamed loop variable"]
    assert written["reordered statements"].startswith("    b = 1\n    a = ")


def test_the_prompt_is_never_edited_and_what_does_not_parse_has_no_edits():
    prompt = "def f(xs, k=1):\n    k += 1\n    y = xs[0] +"
    assert all(
        edit.line >= 1 and edit.text.count("\n") == 1 for edit in all_edits(prompt + " 0\n", "    return k\n")
    )
    assert all_edits(PROMPT, "    return (\n") == []
    assert draw_edits(PROMPT, "", 4, "s") == []


def test_drawn_edits_take_turns_spread_over_lines_and_depend_on_their_stream():
    drawn = draw_edits(PROMPT, REFERENCE, 10, "a")
    assert Counter(edit.kind for edit in drawn) == {"mutation": 5, "refactoring": 5} or len(drawn) == 10
    assert {edit.line for edit in drawn} >= {1, 3, 4, 5}
    assert len({edit.text for edit in drawn}) == 10
    assert drawn == draw_edits(PROMPT, REFERENCE, 10, "a")
    assert drawn != draw_edits(PROMPT, REFERENCE, 10, "b")


def test_rows_cover_the_lines_up_to_the_edit_and_fit_the_schema(tmp_path):
    (edit,) = [e for e in all_edits(PROMPT, REFERENCE) if (e.rule, e.line) == ("dropped statement", 4)]
    rows = edit_rows(edit, "p#edit", "p", PROMPT, passed=False)
    assert [(row["line"], row["label"]) for row in rows] == [(1, 1), (2, 1), (3, 1), (4, -1)]
    assert (rows[3]["passes"], rows[3]["attempts"], rows[0]["attempts"]) == (0, 1, None)
    assert edit_rows(edit, "p#edit", "p", PROMPT, passed=True)[3]["label"] == 1
    write_rows(LABELS, rows, tmp_path / "labels.parquet")
    assert read_rows(LABELS, tmp_path / "labels.parquet") == rows


def test_executed_on_real_problems_mutations_mostly_break_and_refactorings_mostly_do_not():
    problems = problems_from_rows(generate("train", 0, (3, 6), 12))
    drawn = [(p, edit) for p in problems for edit in draw_edits(p.prompt, p.reference, 8, p.problem_id)]
    with Sandbox.open(isolation="process", workers=1, limits=Limits()) as sandbox:
        verdicts = list(sandbox.run([problem.program(edit.text) for problem, edit in drawn]))
    passed = {
        kind: [v.passed for (_, e), v in zip(drawn, verdicts, strict=True) if e.kind == kind]
        for kind in ("mutation", "refactoring")
    }
    assert sum(passed["mutation"]) / len(passed["mutation"]) < 0.2
    assert sum(passed["refactoring"]) / len(passed["refactoring"]) > 0.6
