"""The parent run of a pipeline run is opened once, whatever is tried again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.tracking.parents import close_parent_run, open_parent_run
from tasks.tracking.server import MlflowServer


def test_no_parent_without_tracking() -> None:
    assert open_parent_run("manual__1", "demo", {}, {}) == ""
    close_parent_run("", "FINISHED", {})


def test_one_parent_for_one_pipeline_run(tracked: str, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<p>report</p>")
    first = open_parent_run("it's__1", "demo", {"ppo": {"steps": 40}}, {"profile": "demo"}, "**a run**")
    again = open_parent_run("it's__1", "demo", {"ppo": {"steps": 40}}, {"profile": "demo"})
    other = open_parent_run("manual__2", "demo", {}, {})
    assert first == again != other
    for _ in range(2):  # a task that is tried again
        close_parent_run(
            first, "FINISHED", {"pass_at_1/psgpo": 0.4}, (tmp_path / "report.html",), ["psgpo won", "8 min"]
        )
    run = MlflowServer(tracked).get("runs/get", run_id=first)["run"]
    assert run["info"]["status"] == "FINISHED"
    assert {tag["key"]: tag["value"] for tag in run["data"]["tags"]}["mlflow.note.content"] == (
        "psgpo won\n\n8 min\n\n**a run**"
    )
    assert run["data"]["metrics"][0]["value"] == pytest.approx(0.4)
