"""StepCode: problems are right, discriminating, disjoint by combination, and the same for the same seed."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json

import pytest

from tasks.benchmarks import stepcode
from tasks.benchmarks.stepcode_combinations import Permutation, digest_of, split_of
from tasks.benchmarks.stepcode_long_operations import LONG_OPERATIONS
from tasks.benchmarks.stepcode_operations import OPERATIONS
from tasks.benchmarks.stepcode_steps import long_steps, steps, steps_by_phrase
from tasks.config import RunConfig, TinyModelConfig
from tasks.errors import BadInput
from tasks.rows import DEMONSTRATIONS, PROBLEMS, SPLITS
from tasks.sandbox import tests_from_json as cases_from_json


def passes(problem, response) -> bool:
    space: dict = {}
    exec(problem["prompt"] + response, space)
    cases = cases_from_json(problem["tests"]).cases
    return all(space["solve"](*copy.deepcopy(case.args)) == case.expected for case in cases)


@pytest.fixture(scope="module")
def problems():
    return list(stepcode.generate("train", seed=7, count=300))


def test_rows_follow_the_schema(problems):
    names = {column.name for column in PROBLEMS.columns}
    assert all(set(row) == names for row in problems)
    assert {row["difficulty"] for row in problems} == set(range(1, 9))


def test_prompt_and_reference_of_a_small_problem_read_as_documented():
    phrases = ["keep the even numbers", "sum them"]
    chosen = stepcode.steps_of(stepcode.prompt_of(phrases))
    text = stepcode.prompt_of(phrases) + stepcode.response_of([step.right for step in chosen])
    assert text == (
        'def solve(xs):\n    """\n    1. keep the even numbers\n    2. sum them\n    """\n'
        "    xs = [x for x in xs if x % 2 == 0]\n    return sum(xs)\n"
    )


def test_every_reference_passes_its_own_tests(problems):
    assert all(passes(problem, problem["reference"]) for problem in problems)


def test_every_wrong_variant_of_every_step_fails(problems):
    for problem in problems[:100]:
        chosen = stepcode.steps_of(problem["prompt"])
        right = [step.right for step in chosen]
        for position, step in enumerate(chosen):
            for block in step.wrong:
                response = stepcode.response_of([*right[:position], block, *right[position + 1 :]])
                assert not passes(problem, response), response


def test_leaving_a_step_out_fails(problems):
    for problem in problems[:100]:
        blocks = [step.right for step in stepcode.steps_of(problem["prompt"])]
        for position in range(len(blocks)):
            fewer = [*blocks[:position], *blocks[position + 1 :]] or ["xs = xs"]
            assert not passes(problem, stepcode.response_of(fewer))


def test_tests_hold_the_edge_cases(problems):
    for problem in problems:
        inputs = [case.args[0] for case in cases_from_json(problem["tests"]).cases]
        assert len(inputs) >= 8
        assert [] in inputs
        assert any(len(xs) == 1 for xs in inputs)
        assert any(xs and max(xs) < 0 for xs in inputs)
        assert any(len(set(xs)) < len(xs) for xs in inputs)


def test_values_stay_small(problems):
    for problem in problems:
        for case in cases_from_json(problem["tests"]).cases:
            values = case.expected if isinstance(case.expected, list) else [case.expected]
            assert len(values) < 200
            assert all(abs(value) < 10**9 for value in values)


def test_no_problem_occurs_twice_in_a_stream_and_short_lengths_run_out():
    rows = list(stepcode.generate("test", seed=0, steps=(1, 2), count=None))
    assert len({row["problem_id"] for row in rows}) == len({row["prompt"] for row in rows}) == len(rows)
    assert sum(row["difficulty"] == 1 for row in rows) < len(steps())


def test_splits_share_no_combination():
    prompts = {
        split: {row["prompt"] for row in stepcode.generate(split, seed, (1, 2), None, reserve=True)}
        for seed, split in enumerate(SPLITS)
    }
    assert all(not prompts[a] & prompts[b] for a, b in itertools.combinations(SPLITS, 2))
    assert min(len(found) for found in prompts.values()) > 50


def test_split_shares_are_as_declared():
    splits = [split_of(digest_of([str(number)])) for number in range(5000)]
    assert splits.count("test") / 5000 == pytest.approx(0.10, abs=0.02)
    assert splits.count("validation") / 5000 == pytest.approx(0.10, abs=0.02)


def test_confirmation_is_taken_from_training_and_from_nothing_else():
    def drawn(split, reserve):
        return [row["problem_id"] for row in stepcode.generate(split, 3, (1, 2), None, reserve=reserve)]

    for split in ("validation", "test"):
        assert drawn(split, True) == drawn(split, False)
    kept = set(drawn("confirmation", True))
    assert kept | set(drawn("train", True)) == set(drawn("train", False))
    assert kept <= set(drawn("train", False)), "without the reserve, training has them"
    assert drawn("confirmation", False) == []


def test_same_seed_same_rows_other_seed_other_rows():
    first, again, other = (list(stepcode.generate("train", seed, (3, 5), 20)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_problem_does_not_depend_on_the_seed_that_drew_it():
    one, two = (
        {row["problem_id"]: row for row in stepcode.generate("test", seed, (1, 1), None)} for seed in (1, 2)
    )
    assert one == two


def test_the_stream_is_lazy():
    stream = stepcode.generate("train", 0, (8, 8), 10**9)
    assert len(list(itertools.islice(stream, 3))) == 3


@pytest.mark.parametrize(
    ("split", "lengths", "count", "where"),
    [
        ("dev", (1, 8), 1, "split"),
        ("train", (0, 8), 1, "steps"),
        ("train", (5, 4), 1, "steps"),
        ("test", (1, 1), 99, "count"),
    ],
)
def test_impossible_requests_are_refused(split, lengths, count, where):
    with pytest.raises(BadInput) as caught:
        list(stepcode.generate(split, 0, lengths, count))
    assert caught.value.where == where


def test_a_prompt_that_is_not_stepcode_is_refused():
    with pytest.raises(BadInput):
        stepcode.steps_of("def solve(xs):\n    '''\n    1. do magic\n    '''\n")


def test_operations_leave_their_argument_alone_and_never_raise():
    for step in (*steps(), *long_steps()):
        for run in (step.run, *step.run_wrong):
            for xs in ([], [3], [-2, -2], [5, 0, -7, 5, 12, 9, 1]):
                before = list(xs)
                run(xs)
                assert xs == before


def test_every_phrase_names_one_step():
    assert len(steps_by_phrase()) == len(steps()) + len(long_steps())


def test_problems_of_up_to_six_steps_are_pinned():
    """Text, code, tests, demonstrations and order: figures of earlier runs stay comparable."""
    rows = list(stepcode.generate("train", 0, (1, 8), 400))
    texts = [row["text"] for row in stepcode.demonstrations(rows, 0)]
    short = [(place, row, texts[place]) for place, row in enumerate(rows) if row["difficulty"] <= 6]
    digest = hashlib.sha256(json.dumps(short, sort_keys=True).encode()).hexdigest()
    assert (len(short), digest[:16]) == (295, "fb1f9c07aac63926")


@pytest.mark.parametrize(("length", "long"), [(6, 0), (7, 2), (8, 2)])
def test_the_longest_problems_have_two_long_steps(length, long):
    names = {operation.name for operation in LONG_OPERATIONS}
    for row in stepcode.generate("train", 1, (length, length), 40):
        chosen = [step.operation for step in stepcode.steps_of(row["prompt"])]
        assert len(chosen) == len(set(chosen)) == length
        assert sum(name in names for name in chosen) == long


def test_references_of_the_longest_problems_exceed_a_hundred_tokens_and_fit_a_response():
    from tasks.sampling.tokenizer import train_tokenizer

    rows = list(stepcode.generate("train", 0, (1, 8), 600))
    shape = TinyModelConfig()
    tokenizer = train_tokenizer([r["prompt"] + r["reference"] for r in rows], shape.vocabulary, shape.context)
    tokens = {
        steps: [
            len(tokenizer(r["reference"])["input_ids"]) for r in rows if (r["difficulty"] > 6) == (steps > 6)
        ]
        for steps in (6, 7)
    }
    assert sum(count > 100 for count in tokens[7]) > 0.9 * len(tokens[7])
    assert sum(count > 100 for count in tokens[6]) < 0.05 * len(tokens[6])
    assert max(tokens[7]) <= RunConfig().evaluation.max_new_tokens


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_permutation_visits_everything_once(size):
    order = [Permutation(size, "a")[index] for index in range(size)]
    assert sorted(order) == list(range(size))


def test_permutation_depends_on_the_seed_and_knows_its_end():
    permutation = Permutation(1000, "a")
    assert [permutation[i] for i in range(1000)] != [Permutation(1000, "b")[i] for i in range(1000)]
    with pytest.raises(IndexError):
        permutation[1000]


def test_wrong_rates_span_the_range_and_belong_to_the_operation():
    rates = stepcode.wrong_line_rates(3, (0.1, 0.65))
    assert min(rates.values()) == pytest.approx(0.1)
    assert max(rates.values()) == pytest.approx(0.65)
    assert sum(rates.values()) / len(rates) == pytest.approx(0.375)
    assert set(rates) == {operation.name for operation in (*OPERATIONS, *LONG_OPERATIONS)}
    assert stepcode.wrong_line_rates(4, (0.1, 0.65)) != rates


def test_demonstrations_are_wrong_at_the_rates_of_their_operations():
    rows = list(stepcode.generate("train", 11, (2, 4), 1500))
    rates = stepcode.wrong_line_rates(5, (0.1, 0.65))
    wrong, seen = dict.fromkeys(rates, 0), dict.fromkeys(rates, 0)
    for row, demonstration in zip(rows, stepcode.demonstrations(rows, 5), strict=True):
        assert set(demonstration) == {column.name for column in DEMONSTRATIONS.columns}
        text = demonstration["text"]
        compile(row["prompt"] + text, "demonstration", "exec")
        for step in stepcode.steps_of(row["prompt"]):
            block = stepcode.response_of([step.right]).removesuffix("    return xs\n")
            seen[step.operation] += 1
            wrong[step.operation] += block not in text
    for name, rate in rates.items():
        if seen[name] > 60:
            assert wrong[name] / seen[name] == pytest.approx(rate, abs=4 * (0.25 / seen[name]) ** 0.5), name


def test_demonstrations_without_wrong_lines_are_the_references(problems):
    texts = [row["text"] for row in stepcode.demonstrations(problems, 0, (0.0, 0.0))]
    assert texts == [problem["reference"] for problem in problems]


def test_demonstrations_fail_more_the_longer_the_problem(problems):
    texts = {row["problem_id"]: row["text"] for row in stepcode.demonstrations(problems, 0)}
    short = [passes(p, texts[p["problem_id"]]) for p in problems if p["difficulty"] <= 2]
    long = [passes(p, texts[p["problem_id"]]) for p in problems if p["difficulty"] >= 6]
    assert 0.3 < sum(short) / len(short) < 0.8
    assert sum(long) / len(long) < 0.15
