"""From a program and its tests to a verdict: the only process that knows both what is expected and what came back.

What comes back has been decoded into exact builtins (`codec.py`), so every comparison here runs the interpreter's
own code and nothing of the candidate's.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tasks.sandbox import asserts, codec, zygote
from tasks.sandbox.budget import TestsOverran, budget
from tasks.sandbox.candidate import Candidate, End, Gone, NotLoaded
from tasks.sandbox.compare import same_output, same_value
from tasks.sandbox.detail import clean, show
from tasks.sandbox.finding import Finding, of_raised
from tasks.sandbox.program import AssertTests, CallTests, Limits, Status, StdioTests, Tests, Verdict


@dataclass
class Worker:
    """What the examiner needs to start programs; `clean` turns False when the worker must not be used again."""

    server: socket.socket
    client: int
    clean: bool = True


@dataclass
class Job:
    """A program to judge. `candidate`: its process for the first test, under way; None when there is no test."""

    code: str
    tests: Tests
    limits: Limits
    candidate: Candidate | None


def start(worker: Worker, code: str, tests: Tests, limits: Limits) -> Job:
    """Have the program's process forked; it loads while the examiner does something else. Raises ServerDied."""
    stdin = None
    if isinstance(tests, StdioTests):
        if not tests.cases:
            return Job(code, tests, limits, None)
        stdin = tests.cases[0].stdin
    return Job(code, tests, limits, _process(worker, code, limits, stdin))


def _process(worker: Worker, code: str, limits: Limits, stdin: str | None) -> Candidate:
    data = None if stdin is None else stdin.encode("utf-8", "surrogatepass")
    return Candidate(worker.server, worker.client, code, limits, data)


def examine(worker: Worker, job: Job, meanwhile: Callable[[], None]) -> Verdict:
    """Judge `job`. `meanwhile` is called once its last process need only die: it may start the next job.

    Raises candidate.ServerDied when the fork server has ended.
    """
    tests, limits, candidate = job.tests, job.limits, job.candidate
    if isinstance(tests, StdioTests):
        return _examine_script(worker, job, tests, meanwhile)
    assert candidate is not None
    findings: list[Finding | None] = []
    try:
        for finding in _findings(candidate, tests, limits):
            findings.append(finding)
    except Gone:
        pass
    finally:
        end = candidate.end(meanwhile)
    worker.clean &= end.clean
    total = len(tests.cases) if isinstance(tests, CallTests) else len(tests.calls)
    beside = isinstance(tests, AssertTests) and tests.beside_candidate
    return _verdict(findings, total, [end], limits, beside)


def _findings(
    candidate: Candidate, tests: CallTests | AssertTests, limits: Limits
) -> Iterator[Finding | None]:
    """One finding per test: None when it passed. Raises Gone when the candidate ended before its tests did."""
    try:
        if isinstance(tests, CallTests):
            yield from _call_findings(candidate, tests, limits)
        else:
            yield from asserts.findings(candidate, tests, limits)
    except NotLoaded as error:
        yield of_raised(error.reply)
    except TestsOverran:
        yield Finding("timeout", "the tests themselves ran out of CPU time")


def _call_findings(candidate: Candidate, tests: CallTests, limits: Limits) -> Iterator[Finding | None]:
    for case in tests.cases:
        request = {
            "call": tests.entry_point,
            "args": codec.encode(list(case.args)),
            "kwargs": codec.encode(dict(case.kwargs)),
        }
        candidate.send(request)
    method = "." in tests.entry_point
    for number, case in enumerate(tests.cases, 1):
        reply = candidate.answer()
        with budget(limits.cpu_seconds):
            yield _judge(reply, case.expected, number, method)


def _judge(reply: dict[str, object], expected: object, number: int, method: bool) -> Finding | None:
    if "raised" in reply:
        finding = of_raised(reply)
        return Finding(finding.status, f"test {number}: {finding.detail}", finding.line)
    if "value" not in reply:
        return Finding("failed", f"test {number}: {reply.get('unsendable', 'no value came back')}")
    try:
        value = codec.decode(reply["value"])
    except codec.Malformed as error:
        return Finding("error", f"test {number}: {error}")
    if same_value(value, expected, method):
        return None
    return Finding("failed", f"test {number}: returned {show(value)}, expected {show(expected)}")


# ---- scripts


def _examine_script(worker: Worker, job: Job, tests: StdioTests, meanwhile: Callable[[], None]) -> Verdict:
    findings: list[Finding | None] = []
    ends: list[End] = []
    limits = job.limits
    for number, case in enumerate(tests.cases, 1):
        script = (number == 1 and job.candidate) or _process(worker, job.code, limits, case.stdin)
        try:
            raised = script.finish_script()
        finally:
            end = script.end(meanwhile if number == len(tests.cases) else None)
        worker.clean &= end.clean
        ends.append(end)
        finding = _judge_script(raised, end, limits, bytes(script.stdout), case.expected)
        findings.append(finding and Finding(finding.status, f"test {number}: {finding.detail}", finding.line))
        if finding and finding.status in ("timeout", "memory", "output", "no_verdict"):
            break
    return _verdict(findings, len(tests.cases), ends, limits, beside=False)


def _judge_script(
    raised: dict[str, object] | None, end: End, limits: Limits, stdout: bytes, expected: str
) -> Finding | None:
    stopped = _why_stopped(end, limits)
    if stopped is not None and stopped.status != "error":
        return stopped
    if raised is not None and "raised" in raised:
        return of_raised(raised)
    if stopped is not None:
        return stopped
    if end.exit_code:
        return Finding("error", f"exited with code {end.exit_code}")
    text = stdout.decode("utf-8", "replace")
    if same_output(text, expected):
        return None
    return Finding("failed", f"printed {show(text)}, expected {show(expected)}")


# ---- verdicts


def _verdict(
    findings: list[Finding | None], total: int, ends: list[End], limits: Limits, beside: bool
) -> Verdict:
    """The status is that of the first test that did not pass; a candidate that ended early did not pass the next."""
    passed = sum(finding is None for finding in findings)
    trouble = next((finding for finding in findings if finding is not None), None)
    if len(findings) < total and not (trouble and trouble.final):
        ended = _why_stopped(ends[-1], limits) or _early_exit(ends[-1])
        trouble = ended if trouble is None or ended.status != "error" else trouble
    elif trouble is None and total == 0:
        trouble = Finding("error", "there are no tests: at least one must run for a pass")
    status: Status = trouble.status if trouble else "passed"
    return Verdict(
        status,
        passed,
        total,
        round(sum(end.cpu_seconds for end in ends), 6),
        clean(trouble.detail) if trouble else "",
        trouble.line if trouble else None,
        "beside" if beside else "apart",
    )


def _early_exit(end: End) -> Finding:
    if end.reason == zygote.STOPPED and end.exit_code == -signal.SIGKILL:
        return Finding("error", "closed the descriptor it answers on")
    return Finding("error", f"exited with code {end.exit_code} before the tests were over")


def _why_stopped(end: End, limits: Limits) -> Finding | None:
    """What the way the process ended says; None when it left by itself, or was stopped in the normal way."""
    if end.reason == zygote.NOT_STARTED:
        return Finding("no_verdict", "the sandbox could not start a process")
    if end.trouble == "output":
        return Finding("output", f"wrote more than {limits.output_kb} kB")
    if end.trouble == "channel":
        return Finding("error", "wrote something else where its results belong")
    if end.reason == zygote.OUT_OF_CPU or end.exit_code == -signal.SIGXCPU:
        return Finding("timeout", f"ran out of CPU time ({limits.cpu_seconds:g} s)")
    if end.reason == zygote.OUT_OF_MEMORY:
        return Finding("memory", f"its processes took more than {limits.memory_mb} MB")
    if end.reason == zygote.OUT_OF_TIME:
        return Finding("timeout", f"ran out of time ({limits.wall_seconds:g} s)")
    if end.reason == zygote.ENDED and end.exit_code < 0:
        return _killed(end, limits)
    return None


def _killed(end: End, limits: Limits) -> Finding:
    if end.exit_code == -signal.SIGKILL and end.cpu_seconds >= limits.cpu_seconds:
        return Finding("timeout", f"ran out of CPU time ({limits.cpu_seconds:g} s)")
    try:
        name = signal.Signals(-end.exit_code).name
    except ValueError:
        name = f"signal {-end.exit_code}"
    return Finding("error", f"killed by {name}")
