"""Run generated code and say what it is worth: `docs/sandbox.md`.

with Sandbox.open(isolation="namespaces", workers=2, limits=Limits()) as sandbox:
    for verdict in sandbox.run(programs):
        ...
"""

from tasks.sandbox.client import Sandbox
from tasks.sandbox.pending import Pending
from tasks.sandbox.program import (
    STATUSES,
    AssertTests,
    CallTests,
    Case,
    Limits,
    Program,
    StdioCase,
    StdioTests,
    Verdict,
)
from tasks.sandbox.tests_json import tests_from_json, tests_to_json

__all__ = [
    "STATUSES",
    "AssertTests",
    "CallTests",
    "Case",
    "Limits",
    "Pending",
    "Program",
    "Sandbox",
    "StdioCase",
    "StdioTests",
    "Verdict",
    "tests_from_json",
    "tests_to_json",
]
