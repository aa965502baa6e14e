"""What labels cost: `python -m bench labelling [--responses ADDRESS] [--most 400]`.

Takes the responses of a run (a `responses` artifact; without one a small policy is trained first, some minutes) and labels
the failing ones three ways with the same policy:

    search       as the pipeline does it
    plain        binary search with K completions for every probe, each executed, under common random numbers
    exhaustive   K completions for every line (Math-Shepherd); its cost is counted, its labels are the audit's

and prints completions and executions per failing response, their ratios, how many labels of search and plain agree, the
error rate the audit finds, responses per second, where the time went, and the peak memory of labelling 1,000 and 50,000
responses with a scripted policy. The last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.cache import cache_folder
from tasks.config import LabelConfig, RunConfig, load_config, validate_config
from tasks.errors import BadInput
from tasks.method.labelling import Search, search_labels
from tasks.method.trials import Completer, Completion, Judge, Subject, Trials, Wanted
from tasks.problems import Problem, read_problems
from tasks.rows import RESPONSES, arrow_schema, read_rows
from tasks.sandbox import Verdict
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
    parser.add_argument("--scripted", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.scripted:
        print(_scripted_peak(options.scripted))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        address = options.responses or _sampled(f"file://{scratch}/store")
        figures = _figures(fetch_uri(address, cache_folder()), options.most)
    peaks = {count: _peak_in_a_process(count) for count in (1000, 50_000)}
    figures["peak_mb"] = {str(count): round(peak) for count, peak in peaks.items()}
    figures["memory_ratio"] = round(peaks[50_000] / peaks[1000], 3)
    print(json.dumps(figures), flush=True)
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
        audit = _audit(searches, complete, judge, settings)
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
        "labels_equal_to_plain": round(sum(ours == theirs for ours, theirs in pairs) / len(pairs), 4),
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


def _audit(
    searches: Sequence[Search], complete: Completer, judge: Judge, settings: LabelConfig
) -> dict[str, Any]:
    from tasks.method.audit import audit_report, audited_labels, exhaustive_trials
    from tasks.stages.label_audit import AUDIT_FACTOR

    audited = searches[:: round(1 / AUDIT_SHARE)]
    labels = {search.subject.response_id: search.labels for search in audited}
    evidence = exhaustive_trials(
        [search.subject for search in audited],
        labels,
        Trials(complete, judge),
        AUDIT_FACTOR * settings.completions,
        settings.seed,
    )
    report = audit_report(labels, audited_labels(evidence))
    kept = ("responses", "lines", "error_rate", "by_label", "responses_not_monotone")
    return {name: report[name] for name in kept}


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


class _Script:
    """Completes and judges at once: recoverable up to half of its response."""

    def __call__(self, wanted: Sequence[Wanted]) -> Iterator[Completion]:
        for index, want in enumerate(wanted):
            good = 2 * want.line <= len(want.subject.lines)
            yield Completion(index, f"    return {index}  # {'right' if good else 'wrong'}\n", 8)

    def judge(self, _: str, text: str) -> _Answer:
        return _Answer(Verdict("passed" if text.endswith("right\n") else "failed", 0, 1, 0.0))


class _Answer:
    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict

    def result(self) -> Verdict:
        return self.verdict


def _scripted_peak(count: int) -> float:
    """Peak memory in MB after labelling `count` scripted responses of ten lines in shards, as the stage does."""
    from tasks.stages.label_shards import check_responses, join_shards, label_shards
    from tasks.store import Checkpoints, open_store

    problem = Problem("p", "def f(xs):\n", "f", "", None, 1, "train", "bench", "none")
    script = _Script()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _write_scripted(count, folder / "responses.parquet")
        checkpoints = Checkpoints(open_store(f"file://{scratch}/store"), "0" * 64, folder / "cache")
        check_responses(folder / "responses.parquet", {"p": problem}, 1)
        shards = label_shards(
            folder / "responses.parquet",
            {"p": problem},
            script,
            script.judge,
            LabelConfig(),
            checkpoints,
            lambda _: False,
        )
        assert max(shards) == count
        (folder / "joined").mkdir()
        join_shards(checkpoints, folder / "joined")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _write_scripted(count: int, path: Path) -> None:
    """In batches: the peak should be labelling's, not this writer's."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = "".join(f"    x{line} = {line}\n" for line in range(10))
    base = {"problem_id": "p", "checkpoint": 1, "tokens": 30, "finished": True, "status": "failed"}
    base |= {"tests_passed": 0, "tests_total": 1}
    with pq.ParquetWriter(path, arrow_schema(RESPONSES)) as writer:
        for start in range(0, count, 1000):
            rows = [
                {**base, "response_id": f"p#1#{n}", "text": f"{text}    # {n}\n"}
                for n in range(start, min(start + 1000, count))
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema=writer.schema))


def _peak_in_a_process(count: int) -> float:
    command = [sys.executable, "-m", "bench.labelling", "--scripted", str(count)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


if __name__ == "__main__":
    sys.exit(main())
