"""How good the PRM is on programs of a policy that was trained with it: that training moves what it has to judge.

in: problems, policies (of arms with a PRM), prm
out: metrics.json, responses.parquet, labels.parquet

One policy is asked: of the arm psgpo if there is one, the lowest seed. It answers problems of the validation split, on
which nobody was trained, as it does in training; the prefixes of its responses are labelled as in `label_prefixes`, with
the policy itself as completer, and scored by the PRM. The controls guess from the labels the PRM was fitted on. Without
validation problems of the arms' difficulty nothing is measured.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.problems import Problem, read_problems
from tasks.stages.stage import Stage, StageContext
from tasks.store import Artifact

if TYPE_CHECKING:
    from tasks.method.selection import Labelled
    from tasks.sampling.engine import Sampler
    from tasks.stages.generation import Answer, Ask

PREFERRED_ARM = "psgpo"
NO_CHECKPOINT = 0
"""In place of the number of a baseline checkpoint."""


def run(context: StageContext) -> Mapping[str, float]:
    from tasks.sampling.models import limit_threads
    from tasks.stages.generation import sampler_for
    from tasks.stages.prm_data import read_labelled

    limit_threads()
    policy = _asked(context.inputs["policies"])
    problems = {problem.problem_id: problem for problem in read_problems(context.input("problems").path)}
    asks = _draw(context, problems)
    metrics: dict[str, Any] = {"policy": _cell(policy), "responses": 0}
    if asks:
        _label(context, sampler_for(policy.path / "policy"), asks, problems)
        metrics |= _measured(context, read_labelled(context.output, "search"), problems)
    (context.output / "metrics.json").write_text(json.dumps(metrics, indent=1, sort_keys=True) + "\n")
    revised = {f"revised_{name}": value for name, value in metrics.get("revised", {}).items()}
    return {"responses": metrics["responses"], **metrics.get("all", {}), **revised}


def _cell(policy: Artifact) -> dict[str, Any]:
    cell = policy.manifest["identity"]["config"]["cell"]
    return {"arm": cell["arm"], "seed": cell["seed"]}


def _asked(policies: tuple[Artifact, ...]) -> Artifact:
    def order(policy: Artifact) -> tuple[bool, str, int]:
        cell = _cell(policy)
        return cell["arm"] != PREFERRED_ARM, cell["arm"], cell["seed"]

    return min(policies, key=order)


def _draw(context: StageContext, problems: Mapping[str, Problem]) -> list[Ask]:
    """Validation problems of the arms' difficulty in random order, from the first again when they run out."""
    from tasks.stages.generation import Ask

    ppo, check = context.config.ppo, context.config.prm_check
    fitting = [
        problem
        for problem in problems.values()
        if problem.split == "validation" and ppo.difficulty_min <= problem.difficulty <= ppo.difficulty_max
    ]
    random.Random(f"check/{check.seed}").shuffle(fitting)
    turns = [divmod(number, len(fitting)) for number in range(check.responses)] if fitting else []
    return [
        Ask(fitting[place], turn, f"check/{check.seed}/{fitting[place].problem_id}/{turn}")
        for turn, place in turns
    ]


def _label(context: StageContext, sampler: Sampler, asks: list[Ask], problems: Mapping[str, Problem]) -> None:
    """Sample, grade and label; responses and labels are written into the output."""
    from tasks.rows import RESPONSES, write_rows
    from tasks.stages.generation import Draw, answers, continuing
    from tasks.stages.label_shards import join_shards, label_shards
    from tasks.stages.prefix_completions import PolicyCompleter, SandboxJudge
    from tasks.stages.sandboxes import open_sandbox

    ppo, settings = context.config.ppo, context.config.labels
    sampled = context.output / "responses.parquet"
    with open_sandbox(context.config.sandbox) as sandbox:
        draw = Draw(ppo.temperature, ppo.max_new_tokens)
        answered = answers(sampler, asks, continuing(sampler), draw, sandbox, context)
        write_rows(RESPONSES, [_row(answer) for answer in answered], sampled)
        complete = PolicyCompleter(sampler, settings.temperature, ppo.max_new_tokens, context.stop)
        judge = SandboxJudge(sandbox, problems)
        for done in label_shards(
            sampled, problems, complete, judge, settings, context.checkpoints, lambda _: False
        ):
            context.progress(done, len(asks), "labelled")
            context.stop.check()
    join_shards(context.checkpoints, context.output)


def _row(answer: Answer) -> dict[str, Any]:
    return {
        "response_id": f"{answer.ask.problem.problem_id}#{NO_CHECKPOINT}#{answer.ask.index}",
        "problem_id": answer.ask.problem.problem_id,
        "checkpoint": NO_CHECKPOINT,
        "text": answer.text,
        "tokens": answer.tokens,
        "finished": answer.finished,
        "status": answer.verdict.status,
        "tests_passed": answer.verdict.tests_passed,
        "tests_total": answer.verdict.tests_total,
    }


def _measured(
    context: StageContext, labelled: list[Labelled], problems: Mapping[str, Problem]
) -> dict[str, Any]:
    """Quality on all responses and on those with both labels, and controls on all."""
    from tasks.method.selection import revised_only
    from tasks.stages.prm_metrics import Lines, line_scores, measure, simple_controls, summary

    prm = context.input("prm").path
    value_model, examples = _scorer(prm, problems)
    guessed = json.loads((prm / "metrics.json").read_text())["guesses"]
    everything = examples.measured(labelled)
    revised = examples.measured(revised_only(labelled))
    lines = Lines.of(everything, problems)
    measured = measure(lines, line_scores(value_model, everything))
    return {
        "responses": len(labelled),
        "passing": sum(one.passed for one in labelled),
        "all": measured.pop("held_out"),
        "revised": summary(Lines.of(revised, problems), line_scores(value_model, revised)),
        **measured,
        "controls": simple_controls(guessed, lines),
    }


def _scorer(prm: Path, problems: Mapping[str, Problem]) -> tuple[Any, Any]:
    """The PRM, and what makes examples for it of labelled responses."""
    from transformers import PreTrainedTokenizerFast

    from tasks.method.value_model import ValueModel
    from tasks.stages.prm_data import Examples

    value_model = ValueModel.load(prm)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(prm)
    return value_model, Examples(tokenizer, value_model.trunk.config.max_position_embeddings, problems)


STAGE = Stage(
    name="check_prm",
    kind="prm_check",
    version=1,
    sections=("prm_check", "labels", "ppo", "sandbox"),
    inputs={"problems": "problems", "policies*": "policy", "prm": "prm"},
    run=run,
)
