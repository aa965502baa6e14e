"""Label the line prefixes of sampled responses by binary search (section 3.1 of the paper), and audit a small share.

in: problems, responses, policy (the baseline), sft
out: responses.parquet, labels.parquet, cost.json, audit.json, labels.html

Responses are read, labelled and written shard by shard: memory does not grow with their number, and a killed stage loses
at most one shard. Left out, and counted in cost.json: empty responses, responses without a verdict, and those whose
completions lacked verdicts. With `labels.edits_per_problem` edited reference solutions of the same problems are labelled
too: rows with source `mutation`, their texts among the responses. `labels.html` shows the audited programs, their lines
coloured by label.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.config import LabelConfig
from tasks.problems import Problem, read_problems
from tasks.stages.stage import Stage, StageContext

if TYPE_CHECKING:
    from tasks.stages.prefix_completions import PolicyCompleter, ReferenceCompleter, SandboxJudge


def run(context: StageContext) -> Mapping[str, float]:
    from tasks.sampling.models import limit_threads
    from tasks.stages.label_audit import audit_artifact, sampled_for_audit, write_audit
    from tasks.stages.label_shards import check_responses, join_shards, label_shards
    from tasks.stages.prefix_completions import SandboxJudge, open_completer
    from tasks.stages.sandboxes import open_sandbox

    limit_threads()
    started = time.monotonic()
    settings: LabelConfig = context.config.labels
    problems = {problem.problem_id: problem for problem in read_problems(context.input("problems").path)}
    responses = context.input("responses").path / "responses.parquet"
    total = check_responses(responses, problems, context.config.cell.checkpoint)
    is_sampled = sampled_for_audit(settings, total)
    sft = context.optional_input("sft")
    policy = context.input("policy").path
    complete = open_completer(context.config, problems, policy, sft.path if sft else None, context.stop)
    with open_sandbox(context.config.sandbox) as sandbox:
        judge = SandboxJudge(sandbox, problems)
        shards = label_shards(responses, problems, complete, judge, settings, context.checkpoints, is_sampled)
        for done in shards:
            context.progress(done, total)
            context.stop.check()
        if settings.edits_per_problem:
            _label_edits(
                context, responses, problems, judge, first_number=-(-total // settings.shard_size) + 1
            )
        counts, search = join_shards(context.checkpoints, context.output)
        report, audit = audit_artifact(context.output, problems, complete, judge, settings, is_sampled)
    cost = _cost(counts)
    (context.output / "cost.json").write_text(json.dumps(cost, indent=1, sort_keys=True) + "\n")
    write_audit(context.output, context.output, problems, report, audit, search)
    context.tracker.file(context.output / "labels.html")
    return _summary(cost, report, complete, judge, time.monotonic() - started)


def _label_edits(
    context: StageContext,
    responses: Path,
    problems: Mapping[str, Problem],
    judge: SandboxJudge,
    first_number: int,
) -> None:
    """The second source of labels: edited references of the problems that have responses."""
    from tasks.stages.label_edits import label_edits
    from tasks.stages.label_shards import problems_with_responses

    answered = [problems[name] for name in problems_with_responses(responses)]
    checkpoint = context.config.cell.checkpoint
    for done in label_edits(
        answered, checkpoint, first_number, judge, context.config.labels, context.checkpoints
    ):
        context.progress(done, len(answered), "edited references")
        context.stop.check()


def _cost(counts: Mapping[str, int]) -> dict[str, float]:
    """Counts, and what one failing response cost."""
    failing = max(1, counts["failing"])
    per_failing = {
        f"{name}_per_failing": counts[name] / failing
        for name in ("probes", "completions", "executions", "tokens", "exhaustive_completions")
    }
    return {**counts, **per_failing}


_SUMMARY = ("responses", "failing", "revised", "completions", "executions_per_failing")


def _summary(
    cost: Mapping[str, float],
    report: Mapping[str, Any],
    complete: PolicyCompleter | ReferenceCompleter,
    judge: SandboxJudge,
    seconds: float,
) -> dict[str, float]:
    """Figures of this try: after a resume, times cover what was left to do."""
    audited = {} if report["error_rate"] is None else {"audit_error_rate": report["error_rate"]}
    return {
        **{name: cost[name] for name in _SUMMARY},
        **audited,
        "audited_lines": report["lines"],
        "responses_per_second": cost["responses"] / seconds,
        "share_generating": complete.generating.seconds / seconds,
        "share_waiting": judge.waiting.seconds / seconds,
        "share_executing": judge.executing / seconds,
    }


STAGE = Stage(
    name="label_prefixes",
    kind="labels",
    version=1,
    sections=("labels", "ppo", "sandbox", "cell"),
    inputs={"problems": "problems", "responses": "responses", "policy": "policy", "sft?": "model"},
    run=run,
)
