"""The two ends of labelling in the real world: a policy that completes prefixes, a sandbox that judges programs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tasks.config import LabelConfig, RunConfig
from tasks.errors import BadInput
from tasks.method.lines import split_lines
from tasks.method.trials import Completion, Subject, Wanted
from tasks.problems import Problem
from tasks.sampling.engine import Request, Sampler
from tasks.sandbox import Sandbox, Verdict
from tasks.stages.generation import stream_seed
from tasks.stages.stage import RestrictedConfig, StopRequest


@dataclass
class Clock:
    """Seconds of one kind of work."""

    seconds: float = 0.0

    def __enter__(self) -> None:
        self._started = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.monotonic() - self._started


class PolicyCompleter:
    """Continues prefixes with a sampler. Prefix and completion together have at most `max_new_tokens`, as responses do.

    Prompt and prefix are encoded apart, as they were when the response was sampled. `generating` is the time spent.
    """

    def __init__(self, sampler: Sampler, temperature: float, max_new_tokens: int, stop: StopRequest) -> None:
        self.sampler, self.temperature, self.limit, self.stop = sampler, temperature, max_new_tokens, stop
        self.generating = Clock()
        self._encode = lru_cache(4096)(lambda text: tuple(sampler.encode(text)))

    def __call__(self, wanted: Sequence[Wanted]) -> Iterator[Completion]:
        """One completion for each. Raises TryAgain when SIGTERM comes."""
        requests, budgets = [], []
        for want in wanted:
            prefix = self._encode(want.subject.prefix(want.line))
            requests.append(Request(self._encode(want.subject.prompt) + prefix, stream_seed(want.stream)))
            budgets.append(max(1, self.limit - len(prefix)))
        for group in self._groups_that_fit(requests, budgets):
            sampled = self.sampler.sample(
                [requests[index] for index in group],
                temperature=self.temperature,
                max_new_tokens=max(budgets[index] for index in group),
            )
            while True:
                with self.generating:
                    one = next(sampled, None)
                if one is None:
                    break
                index = group[one.index]
                text = self.sampler.decode(one.tokens[: budgets[index]])
                yield Completion(index, text, len(one.tokens))
                self.stop.check()

    def _groups_that_fit(self, requests: Sequence[Request], budgets: Sequence[int]) -> Iterator[list[int]]:
        """Requests whose longest prompt leaves room in the context for the largest budget; usually all of them."""
        context = self.sampler.model.config.max_position_embeddings
        group: list[int] = []
        longest = largest = 0
        for index in sorted(range(len(requests)), key=lambda index: len(requests[index].prompt)):
            longest = max(longest, len(requests[index].prompt))
            largest = max(largest, budgets[index])
            if group and longest + largest > context:
                yield group
                group, longest, largest = [], len(requests[index].prompt), budgets[index]
            group.append(index)
        if group:
            yield group


class ReferenceCompleter:
    """An oracle: continues prefixes with ends of the problem's reference solution, whatever the streams.

    Completion 0 takes the reference's lines after as many as the prefix has, 1 and 2 those after one less and one more,
    and so on; beyond all ends they begin again. Where a program's state is what its next line needs, as in StepCode, a
    prefix that no end completes has gone wrong. Raises BadInput for a problem without a reference.
    """

    def __init__(self, problems: Mapping[str, Problem]) -> None:
        self.problems = problems
        self.generating = Clock()

    def __call__(self, wanted: Sequence[Wanted]) -> Iterator[Completion]:
        for index, want in enumerate(wanted):
            reference = self.problems[want.subject.problem_id].reference
            if reference is None:
                where = f"problem {want.subject.problem_id}"
                raise BadInput(where, "has no reference for labels.completer = reference", "own, final, sft")
            lines = split_lines(reference)
            starts = sorted(range(len(lines) + 1), key=lambda start: abs(start - want.line))
            yield Completion(index, "".join(lines[starts[want.number % len(starts)] :]), 0)


@dataclass
class _Awaited:
    handle: object
    judge: SandboxJudge

    def result(self) -> Verdict:
        with self.judge.waiting:
            verdict: Verdict = self.handle.result()  # type: ignore[attr-defined]
        self.judge.executing += verdict.cpu_seconds
        return verdict


class SandboxJudge:
    """Submits responses as programs of their problems. `waiting`: time blocked; `executing`: candidates' CPU seconds."""

    def __init__(self, sandbox: Sandbox, problems: Mapping[str, Problem]) -> None:
        self.sandbox, self.problems = sandbox, problems
        self.waiting, self.executing = Clock(), 0.0

    def __call__(self, problem_id: str, text: str) -> _Awaited:
        return _Awaited(self.sandbox.submit(self.problems[problem_id].program(text)), self)


def open_completer(
    config: RunConfig | RestrictedConfig,
    problems: Mapping[str, Problem],
    policy: Path,
    sft: Path | None,
    stop: StopRequest,
) -> PolicyCompleter | ReferenceCompleter:
    """What `labels.completer` names. Raises BadInput when it does not exist."""
    from tasks.stages.generation import sampler_for

    settings: LabelConfig = config.labels
    if settings.completer == "reference":
        return ReferenceCompleter(problems)
    folder = completer_folder(settings, config.cell.checkpoint, policy, sft)
    return PolicyCompleter(sampler_for(folder), settings.temperature, config.ppo.max_new_tokens, stop)


def completer_folder(settings: LabelConfig, checkpoint: int, policy: Path, sft: Path | None) -> Path:
    """The checkpoint that completes, by `labels.completer` (own, final, sft). Raises BadInput when it does not exist."""
    if settings.completer == "sft":
        if sft is None:
            raise BadInput(
                "--input sft", "is missing for labels.completer = sft", "sft=URI of a model artifact"
            )
        return sft
    folder = policy / "policy" if settings.completer == "final" else policy / "checkpoints" / str(checkpoint)
    if not folder.is_dir():
        have = ", ".join(sorted(path.name for path in (policy / "checkpoints").glob("*")))
        raise BadInput(f"cell.checkpoint {folder.name}", "is not a checkpoint of this policy", have or "none")
    return folder


def subject_of(row: Mapping[str, object], problem: Problem) -> Subject:
    """A row of RESPONSES as the subject of labelling."""
    verdict = Verdict(row["status"], row["tests_passed"], row["tests_total"], 0.0)  # type: ignore[arg-type]
    return Subject(str(row["response_id"]), problem.problem_id, problem.prompt, str(row["text"]), verdict)
