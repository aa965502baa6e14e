"""Sample responses from one baseline checkpoint and grade them (section 3.1 of the paper).

in: problems, policy (the baseline), sft      out: responses.parquet

`cell.checkpoint` says which checkpoint, 1 = earliest. Problems are drawn from the training split; every checkpoint
draws its own. With `sample.source: sft` the SFT policy writes in place of the checkpoint, to the same problems.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks.config import SampleConfig
from tasks.errors import BadInput, TryAgain
from tasks.problems import Problem, read_problems
from tasks.rows import RESPONSES, write_rows
from tasks.stages.stage import Stage, StageContext


def run(context: StageContext) -> Mapping[str, float]:
    from tasks.stages.generation import Ask, sample_and_grade, sampler_for

    sample, checkpoint = context.config.sample, context.config.cell.checkpoint
    folder = _writer(context, sample, checkpoint)
    problems = _draw(context, sample, checkpoint)
    asks = [
        Ask(problem, index, f"{sample.seed}/{checkpoint}/{problem.problem_id}/{index}")
        for problem in problems
        for index in range(sample.responses_per_problem)
    ]
    graded = sample_and_grade(
        sampler_for(folder), asks, sample.temperature, context.config.ppo.max_new_tokens, context
    )
    rows = [
        {
            "response_id": f"{answer.ask.problem.problem_id}#{checkpoint}#{answer.ask.index}",
            "problem_id": answer.ask.problem.problem_id,
            "checkpoint": checkpoint,
            "text": answer.text,
            "tokens": answer.tokens,
            "finished": answer.finished,
            "status": answer.verdict.status,
            "tests_passed": answer.verdict.tests_passed,
            "tests_total": answer.verdict.tests_total,
        }
        for answer in graded
    ]
    summary = _summary(rows)
    if summary["no_verdict_share"] > context.config.ppo.max_no_verdict:
        # what was not judged would be missing from the labels, and nobody would notice
        raise TryAgain(f"the sandbox gave no verdict for {summary['no_verdict_share']:.0%} of the responses")
    write_rows(RESPONSES, rows, context.output / "responses.parquet")
    return summary


def _writer(context: StageContext, sample: SampleConfig, checkpoint: int) -> Path:
    """The policy that writes. Raises BadInput when it is not among the inputs."""
    if sample.source == "sft":
        sft = context.optional_input("sft")
        if sft is None:
            raise BadInput("--input sft", "is missing for sample.source = sft", "sft=URI of a model artifact")
        return sft.path
    folder = context.input("policy").path / "checkpoints" / str(checkpoint)
    if not folder.is_dir():
        raise BadInput(
            f"cell.checkpoint {checkpoint}", "is not a checkpoint of this policy", _names(folder.parent)
        )
    return folder


def _draw(context: StageContext, sample: SampleConfig, checkpoint: int) -> list[Problem]:
    difficulty = (sample.difficulty_min, sample.difficulty_max)
    problems = read_problems(context.input("problems").path, "train", difficulty)
    generator = random.Random(f"sample/{sample.seed}/{checkpoint}")
    return generator.sample(problems, min(sample.problems, len(problems)))


def _summary(rows: list[dict[str, Any]]) -> dict[str, float]:
    total = len(rows)
    return {
        "responses": total,
        "pass_rate": sum(row["status"] == "passed" for row in rows) / total,
        "no_verdict_share": sum(row["status"] == "no_verdict" for row in rows) / total,
        "mean_tokens": sum(row["tokens"] for row in rows) / total,
    }


def _names(folder: Any) -> str:
    names: Iterator[str] = (path.name for path in sorted(folder.glob("*")))
    return ", ".join(names) or "none: this policy kept no checkpoints"


STAGE = Stage(
    name="sample_responses",
    kind="responses",
    version=1,
    sections=("sample", "ppo", "sandbox", "cell"),
    inputs={"problems": "problems", "policy": "policy", "sft?": "model"},
    run=run,
)
