"""The command line: `python -m tasks COMMAND ...`; `python -m tasks --help` lists the commands.

A stage is run by `python -m tasks STAGE --config PROFILE --input NAME=URI --store URI` (contract in
`tasks/stages/stage.py`). Everything here stays light: a stage's module is imported only when it is the one called.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from collections.abc import Sequence

from tasks.errors import EXIT_BAD_INPUT, EXIT_TRY_AGAIN, BadInput, TryAgain

STAGES = {
    "prepare_problems": "generate or import problems and demonstrations",
    "prepare_benchmark": "download or import a benchmark's test problems",
    "prepare_model": "make or load the base model and tokenizer",
    "validate": "Great Expectations over problems, responses, labels or scores; by hand: validate KIND ADDRESS",
    "sft": "supervised fine-tuning on the demonstrations",
    "train_policy": "PPO: the baseline, or one arm with one seed",
    "sample_responses": "sample responses from one baseline checkpoint",
    "label_prefixes": "label line prefixes by binary search",
    "fit_prm": "fit the process reward model",
    "check_prm": "measure the PRM on programs of a policy that was trained with it",
    "evaluate": "sample and grade a benchmark",
    "report": "tables, pictures and the HTML page",
    "compare": "tables, pictures and the HTML page of evaluated models",
    "promote": "register models",
}
COMMANDS = {
    "plan": ("tasks.plan", "check a configuration, open the tracking run, list the cells"),
    "plan-evaluation": ("tasks.plan_evaluation", "find models and benchmark files, open the tracking run"),
    "plan-retrain": ("tasks.plan_retrain", "look for new problems, and compose a training run for them"),
    "weigh": ("tasks.weigh", "the evidence for a run's best policy, before it is promoted"),
    "rollback": ("tasks.rollback", "make the previous champion champion again"),
    "conclude": ("tasks.conclude", "end the tracking run of a pipeline run with its result"),
    "maintain": ("tasks.maintain", "say what of a store nobody needs any more, or remove it"),
    "document": ("tasks.documentation", "write the generated tables of docs/"),
    "verify": ("tasks.verify", "re-hash a model and everything it came from"),
    "study": ("tasks.study.command", "plan, run and report the study of docs/study.md"),
    "audit-labels": ("tasks.audit_labels", "label a sample exhaustively and say how wrong the search was"),
    "score": ("tasks.benchmarks.score_command", "grade samples somebody already has"),
}


def main(argv: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    if not argv or argv[0] in ("-h", "--help"):
        print(_help())
        return 0
    name, *rest = argv
    try:
        if name == "validate" and rest and not rest[0].startswith("-"):
            return int(importlib.import_module("tasks.validate_command").main(rest))
        if name in STAGES:
            return _run_stage(name, rest)
        if name in COMMANDS:
            return int(importlib.import_module(COMMANDS[name][0]).main(rest))
        raise BadInput(f"command {name!r}", "is unknown", ", ".join([*STAGES, *COMMANDS]))
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except TryAgain as error:
        print(f"try again: {error}", file=sys.stderr)
        return EXIT_TRY_AGAIN


def _run_stage(name: str, argv: Sequence[str]) -> int:
    """Run a stage and print its envelope; in several processes where it can use them and the configuration says so."""
    from tasks.launch import follows, launched, run_together
    from tasks.stages.stage import parse_job, run_stage

    job = parse_job(name, STAGES[name], argv)
    stage = importlib.import_module(f"tasks.stages.{name}").STAGE
    if stage.distributed and job.config.resources.processes > 1 and not launched():
        return run_together((name, *argv), job.config.resources.processes)
    with contextlib.redirect_stdout(sys.stderr):  # stdout is the envelope's: libraries log there, too
        envelope = run_stage(stage, job)
    if not follows():
        print(json.dumps(envelope, sort_keys=True), flush=True)
    return 0


def _help() -> str:
    lines = [f"  {name:18} {what}" for name, what in STAGES.items()]
    lines += [f"  {name:18} {what}" for name, (_, what) in COMMANDS.items()]
    return f"{__doc__}\n" + "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
