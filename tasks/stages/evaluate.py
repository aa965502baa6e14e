"""Put a benchmark's problems to one model, grade the answers, and say how sure the score is.

in: problems (a benchmark, or a training run's own), policy (or model), training (what the model was trained on, if known)
out: samples.parquet, summary.json

How the model is asked follows from the benchmark and `evaluation.style`; every score carries its protocol in one line.
`cell` only names the score. Before anything is sampled the grader proves itself on the problems at hand
(`tasks/benchmarks/self_proof.py`), and training problems are searched for them (`contamination.py`).

Samples are drawn and graded in shards; a killed evaluation goes on after the last whole one, so that no sample whose
verdict was kept is graded again, and the result is the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.benchmarks.prepared import Prepared, choose_protocol, read_prepared
from tasks.benchmarks.quarantine import read_quarantine
from tasks.config import EvaluationConfig, SandboxConfig
from tasks.errors import BadInput
from tasks.problems import Problem, read_problems
from tasks.rows import SAMPLES, read_rows, write_rows
from tasks.stages.stage import Stage, StageContext

if TYPE_CHECKING:
    from tasks.benchmarks.benchmark import Benchmark, Protocol
    from tasks.sampling.engine import Sampler
    from tasks.sandbox import Sandbox
    from tasks.stages.generation import Answer, Ask, Draw, Manner

KS = {"pass_at_1": 1, "pass_at_5": 5, "pass_at_10": 10, "pass_at_100": 100}
"""pass@k is told for each of these that the samples allow."""


def run(context: StageContext) -> Mapping[str, float]:
    from tasks.benchmarks.self_proof import prove_grader
    from tasks.stages.evaluation_summary import summarise
    from tasks.stages.generation import sampler_for
    from tasks.stages.sandboxes import open_sandbox

    settings: EvaluationConfig = context.config.evaluation
    folder = context.input("problems").path
    prepared = read_prepared(folder)
    bench, protocol = choose_protocol(prepared, settings)
    problems = read_problems(folder, settings.split)[: settings.problems or None]
    contamination = _contamination(context, problems)
    limits = _limits(context.config.sandbox, prepared, bench)
    sampler = sampler_for(_checkpoint(context), protocol.stop)
    draw = _draw(settings, sampler)
    with open_sandbox(limits) as sandbox:
        proof = prove_grader(problems, sandbox)
        rows = _sample(context, problems, sampler, manner(sampler, bench, protocol), draw, sandbox)
    write_rows(SAMPLES, rows, context.output / "samples.parquet")
    summary = summarise(
        problems,
        rows,
        [k for k in KS.values() if k <= settings.samples],
        {p.problem_id: len(sampler.encode(p.reference)) if p.reference else 0 for p in problems},
    )
    told = {
        "benchmark": prepared.title if prepared else "+".join(sorted({p.source for p in problems})),
        "window": prepared.window if prepared else "",
        "protocol": protocol_line(bench, protocol, settings.samples, draw, limits),
        "arm": context.config.cell.model or context.config.cell.arm,
        "seed": context.config.cell.seed,
        **summary,
        "contamination": contamination,
        "self_proof": dict(proof),
    }
    # problems that were put aside before the run: not asked, and in no score
    if excluded := [one.problem_id for one in read_quarantine(folder) if one.split == settings.split]:
        told["excluded"] = excluded
        context.tracker.log({"eval/excluded": len(excluded)})
    (context.output / "summary.json").write_text(json.dumps(told, indent=1, sort_keys=True))
    scores = {name: told[name] for name in KS if name in told}
    context.tracker.log({f"eval/{name}": value for name, value in scores.items()})
    context.tracker.log({"eval/no_verdict": told["no_verdict"]})
    context.tracker.tag({"protocol": told["protocol"], "benchmark": told["benchmark"]})
    return scores


def manner(sampler: Sampler, bench: Benchmark, protocol: Protocol) -> Manner:
    """How this protocol asks this model. Raises BadInput for a chat protocol and a model without chat template."""
    from tasks.stages.generation import Manner

    chat = protocol.extraction == "fenced"
    if chat and not sampler.tokenizer.chat_template:
        raise BadInput("evaluation.style", "'chat', but the model's tokenizer has no chat template", "base")

    def prompt(problem: Problem) -> tuple[int, ...]:
        text = bench.prompt(problem, protocol)
        if chat:
            message = [{"role": "user", "content": text}]
            text = sampler.tokenizer.apply_chat_template(message, add_generation_prompt=True, tokenize=False)
        return tuple(sampler.encode(text))

    return Manner(prompt, lambda problem, text: bench.program(problem, text, protocol))


def protocol_line(
    bench: Benchmark, protocol: Protocol, samples: int, draw: Draw, sandbox: SandboxConfig
) -> str:
    """One line that says how a score came about."""
    from tasks.benchmarks.benchmark import protocol_id
    from tasks.stages.sandboxes import limits_of

    line = protocol_id(bench.NAME, protocol, samples, draw.temperature, limits_of(sandbox))
    return f"{line}; at most {draw.max_new_tokens} tokens"


def _draw(settings: EvaluationConfig, sampler: Sampler) -> Draw:
    """An answer takes at most half of the model's context: a small model must still be able to read the problem."""
    from tasks.stages.generation import Draw

    most = sampler.model.config.max_position_embeddings // 2
    return Draw(settings.temperature, min(settings.max_new_tokens, most))


def _limits(sandbox: SandboxConfig, prepared: Prepared | None, bench: Benchmark) -> SandboxConfig:
    """A benchmark's own CPU limit, where it is one; else the run's, as in training."""
    return sandbox.model_copy(update={"cpu_seconds": bench.CPU_SECONDS}) if prepared else sandbox


def _checkpoint(context: StageContext) -> Path:
    folder = context.input("policy").path
    return folder / "policy" if (folder / "policy").is_dir() else folder


def _contamination(context: StageContext, problems: Sequence[Problem]) -> dict[str, Any] | None:
    """What training problems hold of the benchmark; None where it is not known what the model was trained on.

    A training run's own problems artifact has the training problems beside the test problems.
    """
    from tasks.benchmarks.contamination import overlaps, summary_of

    source = context.optional_input("training") or context.input("problems")
    training = [problem for problem in read_problems(source.path) if problem.split == "train"]
    if not training:
        return None
    found = overlaps(problems, training)
    if found and context.config.evaluation.refuse_contaminated:
        named = ", ".join(f"{one.problem_id} (in {one.training_id}, {one.share:.0%})" for one in found[:5])
        raise BadInput(
            "evaluation.refuse_contaminated",
            f"the training problems hold {len(found)} of {len(problems)} benchmark problems: {named}",
            "a model trained on other problems, or false",
        )
    return summary_of(found, len(training))


def _sample(
    context: StageContext,
    problems: Sequence[Problem],
    sampler: Sampler,
    how: Manner,
    draw: Draw,
    sandbox: Sandbox,
) -> list[dict[str, Any]]:
    """Rows of SAMPLES, problem by problem; shards that an earlier try finished are read, not drawn again."""
    from tasks.stages.generation import Ask, answers

    settings: EvaluationConfig = context.config.evaluation
    asks = [
        Ask(problem, index, f"evaluate/{settings.seed}/{problem.problem_id}/{index}")
        for problem in problems
        for index in range(settings.samples)
    ]
    room = sampler.model.config.max_position_embeddings - draw.max_new_tokens
    done = set(context.checkpoints.numbers())
    rows: list[dict[str, Any]] = []
    for number, start in enumerate(range(0, len(asks), settings.shard_size)):
        if number in done:
            rows += read_rows(SAMPLES, context.checkpoints.load(number) / "samples.parquet")
            continue
        shard = asks[start : start + settings.shard_size]
        fitting = [ask for ask in shard if len(how.prompt(ask.problem)) <= room]
        given = answers(sampler, fitting, how, draw, sandbox, context, start, len(asks))
        answered = {(one.ask.problem.problem_id, one.ask.index): _row(one) for one in given}
        fresh = [answered.get((ask.problem.problem_id, ask.index)) or _too_long(ask, room) for ask in shard]
        rows += fresh
        context.checkpoints.save(number, partial(_keep, fresh), keep=None)
        context.stop.check()
    return rows


def _keep(rows: Sequence[Mapping[str, Any]], folder: Path) -> None:
    write_rows(SAMPLES, rows, folder / "samples.parquet")


def _row(answer: Answer) -> dict[str, Any]:
    return {
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


def _too_long(ask: Ask, room: int) -> dict[str, Any]:
    """A problem the model cannot even read is one it does not solve."""
    return {
        "problem_id": ask.problem.problem_id,
        "index": ask.index,
        "difficulty": ask.problem.difficulty,
        "text": "",
        "tokens": 0,
        "status": "failed",
        "tests_passed": 0,
        "tests_total": 0,
        "detail": f"not asked: the prompt has more than {max(room, 0)} tokens, the model's context less the answer",
    }


STAGE = Stage(
    name="evaluate",
    kind="scores",
    version=2,
    sections=("evaluation", "sandbox", "cell"),
    inputs={"problems": "problems", "policy": "policy|model", "training?": "problems"},
    run=run,
)
