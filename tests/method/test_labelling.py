"""Binary search against a policy whose truth is planted: exact labels, bounded probes, nothing wasted."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.config import LabelConfig
from tasks.errors import BadInput
from tasks.method.labelling import label_rows, search_labels
from tasks.method.trials import FIRST_CHUNK, Subject, Trials
from tasks.rows import LABELS, read_rows, write_rows
from tests.method.scripted import FAILED, NO_VERDICT, PASSED, Answer, Script, failing

SETTINGS = LabelConfig(completions=4)


def search(subjects, script, settings=SETTINGS):
    trials = Trials(script, script.judge)
    return search_labels(subjects, trials, settings), trials.cost


@pytest.mark.parametrize("T", range(1, 61))
def test_every_planted_line_of_every_length_is_found_within_the_bound(T):
    subjects = [failing(f"r{planted}", T) for planted in range(T)]
    searches, _ = search(subjects, Script({f"r{planted}": planted for planted in range(T)}))
    for planted, found in enumerate(searches):
        assert found.labels == [1] * planted + [-1] * (T - planted)
        assert len(found.probes) <= (ceil(log2(T)) if T > 1 else 0)


def test_a_search_that_stops_one_completion_early_would_be_noticed():
    """Negative control: with fewer completions than the script needs, labels are wrong."""
    subjects = [failing("r", 16)]
    searches, _ = search(subjects, Script({"r": 15}, completions=4, rate=0.0), LabelConfig(completions=3))
    assert searches[0].labels == [-1] * 16


def test_a_passing_response_is_positive_and_costs_nothing():
    subject = replace(failing("r", ["x = 1", "# why", "return x"]), verdict=PASSED)
    searches, cost = search([subject], Script({}))
    assert searches[0].labels == [1, 0, 1]
    assert (cost.completions, cost.executions) == (0, 0)


def test_a_comment_only_program_is_neutral_and_costs_nothing():
    searches, cost = search([failing("r", ["# one", "", "# two"])], Script({"r": 0}))
    assert searches[0].labels == [0, 0, 0]
    assert cost.completions == 0


def test_neutral_lines_are_zero_whatever_the_search_says_and_are_not_probed():
    lines = ["x = 1", "# a", "y = 2", "# b", "# c", "z = 3", "return z"]
    script = Script({"r": 3})
    searches, _ = search([failing("r", lines)], script)
    assert searches[0].labels == [1, 0, 1, 0, 0, -1, -1]
    assert {want.line for want in script.wanted} <= {1, 3, 6}
    plain, _ = search(
        [failing("r", lines)], Script({"r": 3}), LabelConfig(completions=4, neutral_lines=False)
    )
    assert plain[0].labels == [1, 1, 1, -1, -1, -1, -1]


def test_code_before_a_trailing_comment_is_probed_because_only_the_whole_response_is_known_to_fail():
    searches, _ = search([failing("r", ["x = 1", "y = 2", "# end"])], Script({"r": 2}))
    assert searches[0].labels == [1, 1, 0]


@given(
    shapes=st.lists(st.tuples(st.integers(1, 20), st.integers(0, 19)), min_size=1, max_size=12),
    cuts=st.lists(st.integers(1, 11)),
    batch=st.integers(0, 5),
)
def test_labels_do_not_depend_on_batch_or_shard(shapes, cuts, batch):
    planted = {f"r{n}": min(line, T - 1) for n, (T, line) in enumerate(shapes)}
    subjects = [failing(f"r{n}", T, problem=f"p{n % 3}") for n, (T, _) in enumerate(shapes)]
    together, _ = search(subjects, Script(planted))
    edges = sorted({0, len(subjects), *(cut for cut in cuts if cut < len(subjects))})
    apart = [
        found
        for start, end in pairwise(edges)
        for found in search(subjects[start:end], Script(planted, batch=batch))[0]
    ]
    assert [label_rows(found) for found in apart] == [label_rows(found) for found in together]


def test_a_probe_stops_at_its_first_pass_and_spends_k_only_on_a_negative():
    always = Script({"r": 15}, rate=1.0)
    searches, cost = search([failing("r", 16)], always)
    assert cost.completions == FIRST_CHUNK * len(searches[0].probes)
    never = Script({"r": 0}, rate=0.0)
    _, cost = search([failing("r", 16)], never)
    assert cost.completions == 4 * SETTINGS.completions  # lines 8, 4, 2, 1


def test_a_passing_completion_proves_every_prefix_it_shares():
    class CopiesAll(Script):
        def _continuation(self, want):
            return "".join(want.subject.lines[want.line : 15]) + "    # right\n"

    searches, cost = search([failing("r", 16)], CopiesAll({"r": 15}))
    assert searches[0].labels == [1] * 15 + [-1]
    assert (cost.completions, cost.executions) == (FIRST_CHUNK, 1)
    assert searches[0].passes == dict.fromkeys(range(8, 16), FIRST_CHUNK)


def test_the_last_line_of_a_failing_response_stays_negative_even_if_a_completion_goes_on_and_passes():
    class GoesOn(Script):
        def _continuation(self, want):
            return "".join(want.subject.lines[want.line :]) + "    return 1  # right\n"

    searches, _ = search([failing("r", 4)], GoesOn({"r": 3}))
    assert searches[0].labels == [1, 1, 1, -1]


def test_a_proof_beyond_a_line_given_up_wins_and_evidence_agrees_with_the_labels():
    class LuckyLate(Script):
        """Line 8 never passes by itself; line 4 does, by a completion that repeats 10 lines."""

        def _continuation(self, want):
            if want.line == 4:
                return "".join(want.subject.lines[4:10]) + "    # right\n"
            return "    # wrong\n"

    searches, _ = search([failing("r", 16)], LuckyLate({}))
    assert searches[0].labels == [1] * 10 + [-1] * 6
    assert all(not row["passes"] or row["label"] == 1 for row in label_rows(searches[0]))


def test_identical_programs_are_executed_once_and_repeats_of_the_response_not_at_all():
    class Same(Script):
        def _continuation(self, want):
            repeat = want.stream.endswith(("/0", "/2"))
            return "".join(want.subject.lines[want.line :]) if repeat else "    return 0  # wrong\n"

    script = Same({})
    _, cost = search([failing("r", 3), failing("s", 3)], script)
    assert cost.completions == 2 * SETTINGS.completions
    assert cost.executions == len(script.judged) == 1


def test_equal_programs_of_different_problems_are_not_confused():
    subjects = [failing("r", 3, problem="p"), failing("s", 3, problem="q")]
    script = Script({"r": 0, "s": 0}, rate=0.0)
    search(subjects, script)
    assert len(set(script.judged)) == len(script.judged)
    assert {problem for problem, _ in script.judged} == {"p", "q"}


@pytest.mark.parametrize("planted, labels", [(0, [-1] * 4), (2, [1, 1, -1, -1])])
def test_the_empty_prefix_is_probed_on_request(planted, labels):
    class Hopeless(Script):
        def _continuation(self, want):
            return "    # wrong\n" if planted == 0 else super()._continuation(want)

    settings = LabelConfig(completions=4, probe_empty_prefix=True)
    script = Hopeless({"r": planted})
    searches, cost = search([failing("r", 4)], script, settings)
    assert searches[0].labels == labels
    assert script.wanted[0].line == 0
    if planted == 0:
        assert cost.completions == settings.completions  # the other prefixes need no probe


def test_without_verdicts_there_are_no_labels_unless_another_completion_passed():
    class Faulty(Script):
        def judge(self, problem_id, text):
            return Answer(NO_VERDICT if "wrong" in text else PASSED)

    searches, _ = search([failing("r", 8), failing("s", 8)], Faulty({"r": 0, "s": 7}, rate=0.5))
    assert searches[0].undecided
    assert label_rows(searches[0]) == []
    assert searches[1].labels == [1] * 7 + [-1]


def test_rows_carry_their_evidence_and_fit_the_schema(tmp_path):
    searches, _ = search([failing("r", 16)], Script({"r": 5}))
    rows = label_rows(searches[0])
    write_rows(LABELS, rows, tmp_path / "labels.parquet")
    assert read_rows(LABELS, tmp_path / "labels.parquet") == rows
    probed = {probe.line: probe for probe in searches[0].probes}
    for row in rows:
        if row["line"] in probed:
            assert row["attempts"] >= len(probed[row["line"]].trials) > 0
            assert (row["passes"] > 0) == (row["label"] == 1)
    assert rows[0]["passes"] is None or rows[0]["attempts"] > 0


@pytest.mark.parametrize(
    "text, verdict, fault", [("", FAILED, "empty program"), ("x\n", NO_VERDICT, "no verdict")]
)
def test_a_response_that_cannot_be_labelled_is_refused_by_name(text, verdict, fault):
    with pytest.raises(BadInput, match=f"p#1#0.*{fault}"):
        Subject("p#1#0", "p", "def f():\n", text, verdict)
