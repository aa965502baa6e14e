"""StepCode: a benchmark made on the spot. Functions over a list of integers, described step by step; and two further
domains, over text and over rows of a table, made in the same way.

    def solve(xs):
        \"\"\"
        1. keep the even numbers
        2. sum them
        \"\"\"

A problem is a combination of 1 to 8 steps; difficulty is the number of steps. From 7 steps on two of them are long
ones (loops with conditionals), so that most references have more than 100 tokens. Its tests are computed from its
reference and chosen so that every wrong variant of a step, and leaving the step out, fails at least one of them; a
combination for which no such tests are found (a sort after a sort) is no problem. Everything about a problem
follows from its combination; a seed decides only which combinations are drawn, and in which order.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from tasks.benchmarks.benchmark import Protocol
from tasks.benchmarks.continuation import continuation_program, continuation_prompt
from tasks.benchmarks.importers import load_problems
from tasks.benchmarks.stepcode_combinations import combinations, digest_of
from tasks.benchmarks.stepcode_domain import Domain
from tasks.benchmarks.stepcode_lists import LISTS
from tasks.benchmarks.stepcode_operations import Operation
from tasks.benchmarks.stepcode_records import RECORDS
from tasks.benchmarks.stepcode_steps import Step, steps_by_phrase
from tasks.benchmarks.stepcode_strings import STRINGS
from tasks.benchmarks.stepcode_tests import choose_tests
from tasks.errors import BadInput
from tasks.problems import Problem
from tasks.rows import SPLITS
from tasks.sandbox import tests_to_json
from tasks.sandbox.program import CallTests, Program, Tests

NAME = "stepcode"
DOMAINS = {domain.name: domain for domain in (LISTS, STRINGS, RECORDS)}
CPU_SECONDS = 2.0
PROTOCOLS = {"base": Protocol("base"), "chat": Protocol("chat", extraction="fenced")}
MOST_STEPS = 8
ENTRY_POINT = "solve"
INDENT = "    "
SHARE_OF_NUMBERS = 1 / 3  # problems whose result is a number, not a list


def generate(
    split: str,
    seed: int,
    steps: tuple[int, int] = (1, MOST_STEPS),
    count: int | None = None,
    domain: Domain = LISTS,
    reserve: bool = False,
) -> Iterator[dict[str, Any]]:
    """Rows of `tasks.rows.PROBLEMS`, lengths drawn evenly from `steps` (both ends included); no two are the same.

    A length whose combinations are used up (there are only some dozens of one step) drops out. `count` None: until
    all have. `reserve` keeps a part of the training combinations apart for the split `confirmation`, which is empty
    without it. Raises BadInput for an unknown split, an impossible range, or when fewer than `count` problems exist.
    """
    low, high = steps
    if split not in SPLITS:
        raise BadInput("split", f"{split!r} is unknown", ", ".join(SPLITS))
    if not 1 <= low <= high <= MOST_STEPS:
        raise BadInput("steps", f"{steps} is not a range of steps", f"1 <= low <= high <= {MOST_STEPS}")
    made = 0
    for row in islice(_mixed(domain, split, seed, low, high, reserve), count):
        made += 1
        yield row
    if count is not None and made < count:
        raise BadInput("count", f"only {made} {split} problems of {low} to {high} steps exist, not {count}")


def prompt_of(phrases: Sequence[str], domain: Domain = LISTS) -> str:
    """Signature and docstring; the response continues on the next line."""
    listed = "".join(f"{INDENT}{number}. {phrase}\n" for number, phrase in enumerate(phrases, 1))
    return f'def {ENTRY_POINT}({domain.variable}):\n{INDENT}"""\n{listed}{INDENT}"""\n'


def response_of(blocks: Sequence[str], domain: Domain = LISTS) -> str:
    """The body made of one code block per step; it returns the variable at the end, or what the last block returns."""
    lines = [line for block in blocks for line in block.split("\n")]
    if not lines[-1].startswith("return "):
        lines.append(f"return {domain.variable}")
    return "".join(f"{INDENT}{line}\n" for line in lines)


def domain_of(prompt: str) -> Domain:
    """The domain of a StepCode prompt. Raises BadInput when it is not a StepCode prompt."""
    for domain in DOMAINS.values():
        if prompt.startswith(f"def {ENTRY_POINT}({domain.variable}):\n"):
            return domain
    raise BadInput("prompt", f"{prompt[:60]!r} does not begin as a StepCode prompt does")


def steps_of(prompt: str) -> tuple[Step, ...]:
    """The steps a StepCode prompt lists. Raises BadInput when it is not a StepCode prompt."""
    known = steps_by_phrase(domain_of(prompt))
    phrases = [line.split(". ", 1)[-1] for line in prompt.split("\n")[2:-2]]
    try:
        return tuple(known[phrase] for phrase in phrases)
    except KeyError as error:
        raise BadInput("prompt", f"{error.args[0]!r} is not a StepCode step") from error


def wrong_line_rates(
    seed: int, wrong_line_rate: tuple[float, float], domain: Domain = LISTS
) -> dict[str, float]:
    """Each operation's own rate: evenly spaced over the range, dealt out by `seed`; the mean is the middle.

    Long operations are dealt theirs apart, so that they change nothing for the others.
    """
    short, long = domain.wrong_streams
    return _deal(domain.operations, f"{short}/{seed}", wrong_line_rate) | _deal(
        domain.long_operations, f"{long}/{seed}", wrong_line_rate
    )


def _deal(operations: Sequence[Operation], stream: str, rates: tuple[float, float]) -> dict[str, float]:
    low, high = rates
    names = [operation.name for operation in operations]
    random.Random(stream).shuffle(names)
    return {name: low + (high - low) * rank / (len(names) - 1) for rank, name in enumerate(names)}


def demonstrations(
    problems: Iterable[Mapping[str, Any]], seed: int, wrong_line_rate: tuple[float, float] = (0.1, 0.65)
) -> Iterator[dict[str, str]]:
    """Rows of `tasks.rows.DEMONSTRATIONS`: one response per problem, imperfect on purpose.

    Each step's code is, at its operation's own rate, one of the wrong variants of that step, so that a model that
    imitates them fails line by line in a controlled way.
    """
    tables = {domain: wrong_line_rates(seed, wrong_line_rate, domain) for domain in DOMAINS.values()}
    for problem in problems:
        domain = domain_of(problem["prompt"])
        rates = tables[domain]
        rng = random.Random(f"stepcode/demonstration/{seed}/{problem['problem_id']}")
        blocks = [
            rng.choice(step.wrong) if rng.random() < rates[step.operation] else step.right
            for step in steps_of(problem["prompt"])
        ]
        yield {"problem_id": problem["problem_id"], "text": response_of(blocks, domain)}


def problems(path: Path) -> Iterator[Problem]:
    """Problems of a file (`docs/problems.md`), StepCode's or any other whose prompt the response continues."""
    return (Problem(**row) for row in load_problems(path))


def prompt(problem: Problem, protocol: Protocol) -> str:
    return continuation_prompt(problem, protocol)


def program(problem: Problem, response: str, protocol: Protocol) -> Program:
    return continuation_program(problem, response, protocol)


def tests(problem: Problem) -> Tests:
    return problem.decoded_tests


def _mixed(
    domain: Domain, split: str, seed: int, low: int, high: int, reserve: bool
) -> Iterator[dict[str, Any]]:
    rng = random.Random(f"{domain.stream}/{split}/{seed}")
    kinds = [(length, reduces) for length in range(low, high + 1) for reduces in (False, True)]
    streams = {kind: _problems(domain, split, *kind, seed, reserve) for kind in kinds}
    while streams:
        weights = [SHARE_OF_NUMBERS if reduces else 1 - SHARE_OF_NUMBERS for _, reduces in streams]
        kind = rng.choices(list(streams), weights)[0]
        row = next(streams[kind], None)
        if row is None:
            del streams[kind]
        else:
            yield row


def _problems(
    domain: Domain, split: str, length: int, reduces: bool, seed: int, reserve: bool
) -> Iterator[dict[str, Any]]:
    for combination in combinations(split, length, reduces, seed, domain, reserve):
        phrases = [step.phrase for step in combination]
        digest = digest_of(phrases)
        cases = choose_tests(combination, random.Random(int.from_bytes(digest, "big")), domain)
        if cases is not None:
            yield {
                "problem_id": f"{domain.stream}/{length}/{digest.hex()}",
                "prompt": prompt_of(phrases, domain),
                "entry_point": ENTRY_POINT,
                "tests": tests_to_json(CallTests(ENTRY_POINT, cases)),
                "reference": response_of([step.right for step in combination], domain),
                "difficulty": length,
                "split": split,
                "source": "stepcode",
                "licence": "CC0-1.0",
            }
