"""StepCode's own figures: `python -m bench stepcode [--problems 2000]`.

Problems generated per second with their tests; tokens and lines of references by number of steps, with the tokenizer of
the embedded default; how many single-line-corrupted programs still pass the tests: StepCode's own wrong variants, and
generic one-character changes of numbers, comparisons and operators (some of which change no behaviour at all).

The last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from bench.evaluation import mutants
from tasks.benchmarks import stepcode
from tasks.config import TinyModelConfig
from tasks.sandbox import tests_from_json
from tasks.sandbox.program import CallTests

CORRUPTED_PROBLEMS = 300


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench stepcode", description=__doc__.split("\n")[0])
    parser.add_argument("--problems", type=int, default=2000)
    options = parser.parse_args(argv)
    started = time.process_time()
    rows = list(stepcode.generate("train", 0, (1, stepcode.MOST_STEPS), options.problems))
    rate = len(rows) / (time.process_time() - started)
    figures = {
        "bench": "stepcode",
        "problems_per_cpu_second": round(rate),
        "by_steps": _lengths(rows),
        "wrong_variants": _survivors(rows[:CORRUPTED_PROBLEMS], _wrong_variants),
        "generic_mutants": _survivors(rows[:CORRUPTED_PROBLEMS], lambda row: mutants(row["reference"])),
    }
    print(json.dumps(figures), flush=True)
    return 0


def _lengths(rows: list[dict[str, Any]]) -> dict[int, dict[str, float]]:
    """Tokens of the reference (mean, largest, share above 100), of the prompt, and lines, by number of steps."""
    from tasks.sampling.tokenizer import train_tokenizer

    settings = TinyModelConfig()
    texts = [row["prompt"] + row["reference"] for row in rows]
    tokenizer = train_tokenizer(texts, settings.vocabulary, settings.context)
    table: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for row in rows:
        tokens = [
            len(tokenizer(row[name], add_special_tokens=False)["input_ids"])
            for name in ("reference", "prompt")
        ]
        table[row["difficulty"]].append((tokens[0], tokens[1], row["reference"].count("\n")))
    return {steps: _summary(found) for steps, found in sorted(table.items())}


def _summary(found: list[tuple[int, int, int]]) -> dict[str, float]:
    responses, prompts, lines = zip(*found, strict=True)
    return {
        "tokens": round(sum(responses) / len(found), 1),
        "most_tokens": max(responses),
        "above_100": round(sum(one > 100 for one in responses) / len(found), 3),
        "prompt_tokens": round(sum(prompts) / len(found), 1),
        "lines": round(sum(lines) / len(found), 1),
    }


def _survivors(rows: list[dict[str, Any]], corrupt: Any) -> dict[str, float]:
    passed = [_passes(row, response) for row in rows for response in corrupt(row)]
    return {"programs": len(passed), "still_pass": round(sum(passed) / len(passed), 4)}


def _wrong_variants(row: dict[str, Any]) -> Iterator[str]:
    chosen = stepcode.steps_of(row["prompt"])
    right = [step.right for step in chosen]
    for position, step in enumerate(chosen):
        for block in step.wrong:
            yield stepcode.response_of([*right[:position], block, *right[position + 1 :]])


def _passes(row: dict[str, Any], response: str) -> bool:
    """In this process: the programs are changed references, which neither loop nor harm."""
    tests = tests_from_json(row["tests"])
    assert isinstance(tests, CallTests)
    space: dict[str, Any] = {}
    try:
        exec(row["prompt"] + response, space)
        outcomes = (space["solve"](*copy.deepcopy(case.args)) == case.expected for case in tests.cases)
        return all(outcomes)
    except Exception:
        return False


if __name__ == "__main__":
    sys.exit(main())
