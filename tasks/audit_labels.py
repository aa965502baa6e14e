"""Label a random sample of a labels artifact exhaustively and say how wrong the search was.

    python -m tasks audit-labels ADDRESS [--share 0.1] [--output FOLDER]

Everything else is read from the artifact's manifest: the problems, the policy that completes, temperature, K, sandbox. Every
line may use four times the search's completions. FOLDER gets audit.json and labels.html (programs, their lines coloured by
label, and for each line the completions that decided it); the last line on stdout is the report as JSON, with the seconds
that a response took.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.cache import cache_folder
from tasks.config import RunConfig, validate_config
from tasks.errors import BadInput
from tasks.store import Artifact
from tasks.store.artifacts import fetch_uri


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tasks audit-labels", description=__doc__)
    parser.add_argument("labels", help="address of a labels artifact")
    parser.add_argument("--share", type=float, default=0.1, help="share of the responses that is audited")
    parser.add_argument("--output", type=Path, default=Path("label-audit"), help="folder for the report")
    arguments = parser.parse_args(argv)
    if not 0 < arguments.share <= 1:
        raise BadInput("--share", f"{arguments.share} is no share", "0 < share <= 1")
    artifact = fetch_uri(arguments.labels, cache_folder())
    if artifact.kind != "labels":
        raise BadInput(arguments.labels, f"is a {artifact.kind} artifact", "labels")
    arguments.output.mkdir(parents=True, exist_ok=True)
    print(json.dumps(audit(artifact, arguments.share, arguments.output), sort_keys=True), flush=True)
    return 0


def audit(labels: Artifact, share: float, output: Path) -> dict[str, Any]:
    """Write the report into `output`; the report with its time."""
    from tasks.problems import read_problems
    from tasks.stages.label_audit import audit_artifact, sampled_for_audit, write_audit
    from tasks.stages.prefix_completions import SandboxJudge, open_completer
    from tasks.stages.sandboxes import open_sandbox
    from tasks.stages.stage import StopRequest

    config = _made_with(labels)
    settings = config.labels.model_copy(update={"audit_share": share})
    inputs = {
        name: fetch_uri(uris[0], cache_folder()).path
        for name, uris in labels.manifest["input_artifacts"].items()
        if uris
    }
    problems = {problem.problem_id: problem for problem in read_problems(inputs["problems"])}
    complete = open_completer(config, problems, inputs["policy"], inputs.get("sft"), StopRequest())
    responses = int(labels.manifest["metrics"]["responses"])
    started = time.monotonic()
    with open_sandbox(config.sandbox) as sandbox:
        report, decisions = audit_artifact(
            labels.path,
            problems,
            complete,
            SandboxJudge(sandbox, problems),
            settings,
            sampled_for_audit(settings, responses),
        )
    seconds = time.monotonic() - started
    write_audit(labels.path, output, problems, report, decisions)
    return {**report, "seconds_per_response": round(seconds / max(1, report["responses"]), 3)}


def _made_with(labels: Artifact) -> RunConfig:
    """The configuration the labels were made with, as their manifest tells it."""
    return validate_config(labels.manifest["identity"]["config"])
