"""Sample a benchmark's test split with one policy, grade it, and say how sure the score is.

in: problems, policy (or model)      out: samples.parquet, summary.json

`cell.arm` and `cell.seed` only name the score. Before a score is published the grader proves itself on the problems at
hand (`tasks/benchmarks/self_proof.py`): references pass, broken programs fail.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.config import EvaluationConfig
from tasks.problems import Problem, read_problems
from tasks.rows import SAMPLES, write_rows
from tasks.stages.stage import Stage, StageContext


def run(context: StageContext) -> Mapping[str, float]:
    from tasks.benchmarks.self_proof import prove_grader
    from tasks.stages.generation import Ask, sample_and_grade, sampler_for
    from tasks.stages.sandboxes import open_sandbox

    settings: EvaluationConfig = context.config.evaluation
    problems = read_problems(context.input("problems").path, "test")[: settings.problems]
    with open_sandbox(context.config.sandbox) as sandbox:
        proof = prove_grader(problems, sandbox)
    asks = [
        Ask(problem, index, f"evaluate/{settings.seed}/{problem.problem_id}/{index}")
        for problem in problems
        for index in range(settings.samples)
    ]
    sampler = sampler_for(_checkpoint(context))
    answers = sample_and_grade(sampler, asks, settings.temperature, settings.max_new_tokens, context)
    rows = [
        {
            "problem_id": answer.ask.problem.problem_id,
            "index": answer.ask.index,
            "difficulty": answer.ask.problem.difficulty,
            "text": answer.text,
            "tokens": answer.tokens,
            "status": answer.verdict.status,
            "tests_passed": answer.verdict.tests_passed,
            "tests_total": answer.verdict.tests_total,
            "detail": answer.verdict.detail,
        }
        for answer in answers
    ]
    write_rows(SAMPLES, rows, context.output / "samples.parquet")
    reference_tokens = {p.problem_id: len(sampler.encode(p.reference or "")) for p in problems}
    summary = _summarise(context, problems, rows, reference_tokens, proof)
    (context.output / "summary.json").write_text(json.dumps(summary, indent=1, sort_keys=True))
    context.tracker.log({"eval/pass_at_1": summary["pass_at_1"], "eval/no_verdict": summary["no_verdict"]})
    return {"pass_at_1": summary["pass_at_1"]}


def _checkpoint(context: StageContext) -> Path:
    folder = context.input("policy").path
    return folder / "policy" if (folder / "policy").is_dir() else folder


def _summarise(
    context: StageContext,
    problems: list[Problem],
    rows: list[dict[str, Any]],
    reference_tokens: Mapping[str, int],
    proof: Mapping[str, Any],
) -> dict[str, Any]:
    """Scores per problem in file order. A sample without verdict is left out of its problem's n, never counted wrong."""
    from tasks.benchmarks.statistics import bootstrap_interval, pass_at_k

    settings: EvaluationConfig = context.config.evaluation
    n = {problem.problem_id: 0 for problem in problems}
    c = dict(n)
    for row in rows:
        n[row["problem_id"]] += row["status"] != "no_verdict"
        c[row["problem_id"]] += row["status"] == "passed"
    judged = [problem for problem in problems if n[problem.problem_id]]
    scores = [pass_at_k(n[p.problem_id], c[p.problem_id], 1) for p in judged]
    low, high = bootstrap_interval(scores)
    return {
        "benchmark": "+".join(settings.benchmarks),
        "protocol": f"continue the prompt; {settings.samples} samples at temperature {settings.temperature}; "
        f"at most {settings.max_new_tokens} tokens; all tests must pass",
        "arm": context.config.cell.arm,
        "seed": context.config.cell.seed,
        "problems": len(judged),
        "samples": len(rows),
        "pass_at_1": sum(scores) / len(scores),
        "pass_at_1_low": low,
        "pass_at_1_high": high,
        "no_verdict": sum(row["status"] == "no_verdict" for row in rows),
        "per_problem": [
            {
                "problem_id": p.problem_id,
                "difficulty": p.difficulty,
                "reference_tokens": reference_tokens[p.problem_id],
                "n": n[p.problem_id],
                "c": c[p.problem_id],
            }
            for p in judged
        ],
        "self_proof": dict(proof),
    }


STAGE = Stage(
    name="evaluate",
    kind="scores",
    version=1,
    sections=("evaluation", "sandbox", "cell"),
    inputs={"problems": "problems", "policy": "policy|model"},
    run=run,
)
