"""What labels cost: `python -m bench labelling [--responses ADDRESS] [--most 400]`.

Takes the responses of a run (a `responses` artifact; without one a small policy is trained first, some minutes) and labels
the failing ones three ways with the same policy:

    search       as the pipeline does it
    plain        binary search with K completions for every probe, each executed, under common random numbers
    exhaustive   K completions for every line (Math-Shepherd); its cost is counted, its labels are the audit's

and prints completions and executions per failing response, their ratios, how many labels of search and plain agree (and
who has a passing completion where they do not), the error rates the audit finds for both, responses per second, where
the time went, and the peak memory of labelling 1,000 and 50,000 responses (`bench/labelling_memory.py`). The last line of
stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.labelling_memory import memory
from tasks.cache import cache_folder
from tasks.config import LabelConfig, RunConfig, validate_config
from tasks.errors import BadInput
from tasks.method.labelling import Search, search_labels
from tasks.method.trials import Completer, Judge, Subject, Trials, Wanted
from tasks.problems import Problem, read_problems
from tasks.profiles import load_config
from tasks.rows import RESPONSES, read_rows
from tasks.store import Artifact
from tasks.store.artifacts import fetch_uri

SMALL = (
    "data.train_problems=1500",
    "data.validation_problems=1",
    "data.test_problems=1",
    "data.steps_max=6",
    "sft.epochs=8",
    "baseline.steps=4",
    "baseline.checkpoints=1",
    "baseline.difficulty_max=6",
    "sample.difficulty_max=6",
)
"""The demo, small enough to train here; used when no responses are given."""

AUDIT_SHARE = 0.15


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench labelling", description=__doc__.split("\n")[0])
    parser.add_argument("--responses", default="", help="address of a responses artifact")
    parser.add_argument("--most", type=int, default=400, help="responses that are labelled at most")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        address = options.responses or _sampled(f"file://{scratch}/store")
        figures = _figures(fetch_uri(address, cache_folder()), options.most)
    print(json.dumps(figures | memory((1000, 50_000))), flush=True)
    return 0


def _figures(responses: Artifact, most: int) -> dict[str, Any]:
    from tasks.stages.prefix_completions import SandboxJudge
    from tasks.stages.sandboxes import open_sandbox

    config = _config(responses)
    problems, subjects, complete = _material(responses, config, most)
    failing = [subject for subject in subjects if not subject.verdict.passed]
    settings = config.labels
    with open_sandbox(config.sandbox) as sandbox:
        judge = SandboxJudge(sandbox, problems)
        started = time.monotonic()
        trials = Trials(complete, judge)
        searches = search_labels(failing, trials, settings)
        seconds = time.monotonic() - started
        shares = {
            "generating": round(complete.generating.seconds / seconds, 3),
            "waiting": round(judge.waiting.seconds / seconds, 3),
            "executing_beside": round(judge.executing / seconds, 3),
        }
        plain_labels, plain_cost = plain_search(failing, complete, judge, settings)
        audit = _audit(searches, plain_labels, complete, judge, settings)
    count = len(failing)
    exhaustive = settings.completions * sum(
        sum(label != 0 for label in search.labels[:-1]) for search in searches
    )
    pairs = [
        (ours, theirs)
        for search, labels in zip(searches, plain_labels, strict=True)
        for ours, theirs in zip(search.labels, labels, strict=True)
    ]
    return {
        "bench": "labelling",
        "failing_responses": count,
        "K": settings.completions,
        "executed_per_failing": round(trials.cost.executions / count, 2),
        "completions_per_failing": round(trials.cost.completions / count, 2),
        "plain_per_failing": round(plain_cost / count, 2),
        "exhaustive_per_failing": round(exhaustive / count, 2),
        "ratio_to_exhaustive": round(trials.cost.executions / exhaustive, 3),
        "ratio_to_plain": round(trials.cost.executions / plain_cost, 3),
        "generated_ratio_to_exhaustive": round(trials.cost.completions / exhaustive, 3),
        "generated_ratio_to_plain": round(trials.cost.completions / plain_cost, 3),
        "labels_equal_to_plain": _share(pairs, lambda ours, theirs: ours == theirs),
        "only_search_has_a_pass": _share(pairs, lambda ours, theirs: ours > theirs),
        "only_plain_has_a_pass": _share(pairs, lambda ours, theirs: ours < theirs),
        "audit": audit,
        "responses_per_second": round(count / seconds, 2),
        "time_shares": shares,
    }


def plain_search(
    subjects: Sequence[Subject], complete: Completer, judge: Judge, settings: LabelConfig
) -> tuple[list[list[int]], int]:
    """The paper's search to the letter: K completions for every probe, each executed, nothing shared.

    Completions have the same random streams as those of `search_labels`. Returns labels and completions executed.
    """
    bounds = [[0, len(subject.lines)] for subject in subjects]
    executed = 0
    while any(high - low > 1 for low, high in bounds):
        wanted = [
            Wanted(
                subject,
                (low + high) // 2,
                f"label/{settings.seed}/{subject.response_id}/{(low + high) // 2}/{n}",
            )
            for subject, (low, high) in zip(subjects, bounds, strict=True)
            if high - low > 1
            for n in range(settings.completions)
        ]
        begun = [
            (wanted[done.index], judge(want.subject.problem_id, want.subject.prefix(want.line) + done.text))
            for done in complete(wanted)
            for want in [wanted[done.index]]
        ]
        executed += len(begun)
        recovered = {want.subject.response_id for want, pending in begun if pending.result().passed}
        for subject, bound in zip(subjects, bounds, strict=True):
            if bound[1] - bound[0] > 1:
                bound[0 if subject.response_id in recovered else 1] = sum(bound) // 2
    neutral = [Search.of(subject, settings).neutral for subject in subjects]
    return [
        [0 if skip else (1 if line <= low else -1) for line, skip in enumerate(skips, start=1)]
        for (low, _), skips in zip(bounds, neutral, strict=True)
    ], executed


def _share(pairs: Sequence[tuple[int, int]], holds: Callable[[int, int], bool]) -> float:
    return round(sum(holds(ours, theirs) for ours, theirs in pairs) / len(pairs), 4)


def _audit(
    searches: Sequence[Search],
    plain: Sequence[Sequence[int]],
    complete: Completer,
    judge: Judge,
    settings: LabelConfig,
) -> dict[str, Any]:
    """Error rates of both searches on a share of the responses, labelled exhaustively."""
    from tasks.method.audit import audit_report, audited_labels, exhaustive_trials
    from tasks.stages.label_audit import AUDIT_FACTOR

    every = round(1 / AUDIT_SHARE)
    audited = searches[::every]
    names = [search.subject.response_id for search in audited]
    labels = {name: search.labels for name, search in zip(names, audited, strict=True)}
    most = AUDIT_FACTOR * settings.completions
    subjects = [search.subject for search in audited]
    truth = audited_labels(exhaustive_trials(subjects, labels, Trials(complete, judge), most, settings.seed))
    report = audit_report(labels, truth)
    of_plain = audit_report(dict(zip(names, plain[::every], strict=True)), truth)
    kept = ("responses", "lines", "error_rate", "by_label", "responses_not_monotone")
    return {name: report[name] for name in kept} | {"error_rate_plain": of_plain["error_rate"]}


def _material(
    responses: Artifact, config: RunConfig, most: int
) -> tuple[Mapping[str, Problem], list[Subject], Any]:
    """Problems, judged responses and the completer that the artifact's manifest names."""
    from tasks.stages.generation import sampler_for
    from tasks.stages.prefix_completions import PolicyCompleter, completer_folder, subject_of
    from tasks.stages.stage import StopRequest

    inputs = {
        name: fetch_uri(uris[0], cache_folder()).path
        for name, uris in responses.manifest["input_artifacts"].items()
    }
    problems = {problem.problem_id: problem for problem in read_problems(inputs["problems"])}
    rows = read_rows(RESPONSES, responses.path / "responses.parquet")[:most]
    subjects = [
        subject_of(row, problems[row["problem_id"]])
        for row in rows
        if row["text"] and row["status"] != "no_verdict"
    ]
    folder = completer_folder(config.labels, config.cell.checkpoint, inputs["policy"], None)
    complete = PolicyCompleter(
        sampler_for(folder), config.labels.temperature, config.ppo.max_new_tokens, StopRequest()
    )
    return problems, subjects, complete


def _config(responses: Artifact) -> RunConfig:
    if responses.kind != "responses":
        raise BadInput(responses.uri, f"is a {responses.kind} artifact", "responses")
    return validate_config(responses.manifest["identity"]["config"])


def _sampled(store: str) -> str:
    """Train a small policy and sample it; the address of its responses."""
    import importlib

    from tasks.stages.stage import Job, run_stage

    def run(name: str, *overrides: str, **inputs: str) -> str:
        print(f"{name} ...", file=sys.stderr, flush=True)
        job = Job(
            load_config("demo", [*SMALL, *overrides]), {key: (uri,) for key, uri in inputs.items()}, store
        )
        return str(run_stage(importlib.import_module(f"tasks.stages.{name}").STAGE, job)["artifact"])

    problems = run("prepare_problems")
    model = run("prepare_model", problems=problems)
    sft = run("sft", problems=problems, model=model)
    policy = run("train_policy", "cell.arm=baseline", problems=problems, sft=sft)
    return run("sample_responses", "cell.checkpoint=1", problems=problems, policy=policy)


if __name__ == "__main__":
    sys.exit(main())
