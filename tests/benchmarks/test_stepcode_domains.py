"""StepCode's other domains: text and rows of a table keep the rules of the first."""

from __future__ import annotations

import copy
import itertools
import random

import pytest

from tasks.benchmarks import stepcode
from tasks.benchmarks.stepcode_lists import LISTS
from tasks.benchmarks.stepcode_records import RECORDS
from tasks.benchmarks.stepcode_steps import long_steps, steps, steps_by_phrase
from tasks.benchmarks.stepcode_strings import STRINGS
from tasks.errors import BadInput
from tasks.rows import SPLITS
from tasks.sandbox import tests_from_json as cases_from_json

OTHERS = (STRINGS, RECORDS)


def passes(problem, response) -> bool:
    space: dict = {}
    exec(problem["prompt"] + response, space)
    cases = cases_from_json(problem["tests"]).cases
    return all(space["solve"](*copy.deepcopy(case.args)) == case.expected for case in cases)


@pytest.fixture(scope="module", params=OTHERS, ids=lambda domain: domain.name)
def domain(request):
    return request.param


@pytest.fixture(scope="module")
def problems(domain):
    return list(stepcode.generate("train", 7, count=150, domain=domain))


def test_references_pass_and_every_length_occurs(problems):
    assert {row["difficulty"] for row in problems} == set(range(1, 9))
    assert all(passes(row, row["reference"]) for row in problems)


def test_every_wrong_variant_and_every_step_left_out_fail(domain, problems):
    for row in problems[:60]:
        right = [step.right for step in stepcode.steps_of(row["prompt"])]
        for position, step in enumerate(stepcode.steps_of(row["prompt"])):
            for blocks in ([block] for block in step.wrong):
                changed = [*right[:position], *blocks, *right[position + 1 :]]
                assert not passes(row, stepcode.response_of(changed, domain)), changed
            fewer = [*right[:position], *right[position + 1 :]] or [f"{domain.variable} = {domain.variable}"]
            assert not passes(row, stepcode.response_of(fewer, domain))


def test_operations_leave_their_argument_alone_and_never_raise(domain):
    rng = random.Random(0)
    inputs = [domain.random_input(rng) for _ in range(10)] + domain.edge_cases(rng)
    for step in (*steps(domain), *long_steps(domain)):
        for run, given in itertools.product((step.run, *step.run_wrong), inputs):
            before = copy.deepcopy(given)
            run(given)
            assert given == before, step.phrase


def test_every_phrase_names_one_step(domain):
    assert len(steps_by_phrase(domain)) == len(steps(domain)) + len(long_steps(domain))


def test_splits_share_no_combination_whatever_the_seed(domain):
    prompts = [
        {row["prompt"] for row in stepcode.generate(split, seed, (1, 2), 60, domain, reserve=True)}
        for seed, split in enumerate(SPLITS)
    ]
    assert all(not a & b for a, b in itertools.combinations(prompts, 2))


def test_same_seed_same_rows_other_seed_other_rows(domain):
    first, again, other = (list(stepcode.generate("test", seed, (3, 5), 10, domain)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_prompts_tell_their_domain_and_identifiers_differ(domain, problems):
    assert all(stepcode.domain_of(row["prompt"]) is domain for row in problems)
    assert all(row["problem_id"].startswith(f"stepcode/{domain.name}/") for row in problems)
    assert stepcode.domain_of(stepcode.prompt_of(["square each number"])) is LISTS
    with pytest.raises(BadInput):
        stepcode.domain_of("def solve(table):\n")


def test_a_step_of_another_domain_is_refused(domain):
    with pytest.raises(BadInput, match="square each number"):
        stepcode.steps_of(stepcode.prompt_of(["square each number"], domain))


def test_demonstrations_are_wrong_at_times_and_references_at_rate_nought(problems):
    assert [row["text"] for row in stepcode.demonstrations(problems, 0, (0.0, 0.0))] == [
        row["reference"] for row in problems
    ]
    texts = [row["text"] for row in stepcode.demonstrations(problems, 0)]
    shares = [passes(row, text) for row, text in zip(problems, texts, strict=True)]
    assert 0.05 < sum(shares) / len(shares) < 0.6


def test_programs_go_from_ten_to_over_a_hundred_tokens(domain, problems):
    from tasks.config import RunConfig, TinyModelConfig
    from tasks.sampling.tokenizer import train_tokenizer

    shape = TinyModelConfig()
    texts = [row["prompt"] + row["reference"] for row in problems]
    tokenizer = train_tokenizer(texts, shape.vocabulary, shape.context)
    tokens = [len(tokenizer(row["reference"])["input_ids"]) for row in problems]
    long = [n for n, row in zip(tokens, problems, strict=True) if row["difficulty"] > 6]
    assert min(tokens) <= 25
    assert sum(n > 100 for n in long) > 0.8 * len(long)
    assert max(tokens) <= RunConfig().evaluation.max_new_tokens


def test_settings_that_are_not_used_change_no_digest():
    from tasks.profiles import load_config

    plain, study = (
        load_config("demo", overrides)
        for overrides in (
            (),
            ("data.domain=strings", "data.confirmation_problems=9", "evaluation.split=test"),
        )
    )
    new = {"domain", "confirmation_problems"}
    assert not new & set(plain.model_dump(mode="json")["data"])
    assert new <= set(study.model_dump(mode="json")["data"])
    assert "split" not in study.model_dump(mode="json")["evaluation"]
    assert (
        load_config("demo", ["evaluation.split=validation"]).model_dump()["evaluation"]["split"]
        == "validation"
    )
