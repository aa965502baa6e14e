"""HumanEval: 164 of 164 references pass, mutants of them fail, prompts are pinned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.benchmarks.humaneval import PROTOCOLS, problems, program, prompt
from tasks.errors import BadInput
from tasks.sandbox.program import AssertTests, Limits, Program
from tests.benchmarks.broken import mutants

GOLDEN = Path(__file__).parent / "golden"
ROW = {
    "task_id": "HumanEval/x",
    "prompt": 'def half(x):\n    return x / 2\n\n\ndef twice(x):\n    """Twice x."""\n',
    "entry_point": "twice",
    "canonical_solution": "    return 2 * x\n",
    "test": "def check(candidate):\n    assert candidate(half(4)) == 4\n",
}


def load(tmp_path, *rows):
    path = tmp_path / "he.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return list(problems(path))


def test_helpers_of_the_prompt_are_the_prelude_of_the_tests(tmp_path):
    (problem,) = load(tmp_path, ROW)
    tests = problem.decoded_tests
    assert isinstance(tests, AssertTests)
    assert "def half" in tests.prelude
    assert "twice" not in tests.prelude
    assert tests.calls == ("check(candidate)",)


@pytest.mark.parametrize("name", ["base", "chat"])
def test_prompts_are_pinned(tmp_path, name):
    (problem,) = load(tmp_path, ROW)
    assert prompt(problem, PROTOCOLS[name]) == (GOLDEN / f"humaneval_{name}.txt").read_text()


def test_base_responses_stop_and_chat_answers_keep_the_helper(tmp_path):
    (problem,) = load(tmp_path, ROW)
    base = program(problem, "    return 2 * x\n\nprint(twice(3))\n", PROTOCOLS["base"])
    assert base.code == ROW["prompt"] + "    return 2 * x\n"
    chat = program(problem, "```python\ndef twice(x):\n    return half(x) * 4\n```", PROTOCOLS["chat"])
    space: dict = {}
    exec(chat.code, space)
    assert space["twice"](3) == 6


@pytest.mark.parametrize("name", sorted(ROW))
def test_a_missing_field_is_named(tmp_path, name):
    with pytest.raises(BadInput, match=name) as caught:
        load(tmp_path, ROW, {key: value for key, value in ROW.items() if key != name})
    assert caught.value.where.endswith("he.jsonl:2")


def test_all_references_pass_and_most_mutants_fail(real_file, sandbox):
    found = list(problems(real_file("HumanEval.jsonl.gz")))
    assert len(found) == 164
    verdicts = list(sandbox.run(problem.program(problem.reference) for problem in found))
    assert [v for v in verdicts if not v.passed] == []
    broken = [
        Program(mutant, problem.decoded_tests, Limits(cpu_seconds=1, wall_seconds=10))
        for problem in found[::4]
        for mutant in list(mutants(problem.prompt + problem.reference))[:6]
    ]
    caught = [not verdict.passed for verdict in sandbox.run(broken)]
    assert len(caught) > 150
    assert sum(caught) / len(caught) > 0.9  # the rest are equivalent or in the prompt's own helpers
