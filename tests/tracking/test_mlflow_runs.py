"""The MLflow tracker against a real server: nothing lost, nothing twice, whatever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tasks.errors import BadInput, TryAgain
from tasks.tracking import mlflow_runs
from tasks.tracking.delivery import experiment_id
from tasks.tracking.runs import NoTracker, open_tracker
from tasks.tracking.server import MlflowServer

PARAMETERS = {"ppo": {"steps": 40, "batch_size": 8}, "cell": {"arm": "psgpo", "seed": 3, "checkpoint": 0}}


def runs(address: str) -> list[dict[str, Any]]:
    server = MlflowServer(address)
    experiment = experiment_id(server, os.environ["MLFLOW_EXPERIMENT_NAME"])
    return server.post("runs/search", {"experiment_ids": [experiment]}).get("runs", [])


def history(address: str, run_id: str, metric: str) -> list[tuple[int, float]]:
    found = MlflowServer(address).get("metrics/get-history", run_id=run_id, metric_key=metric)
    return [(int(point.get("step", 0)), point["value"]) for point in found.get("metrics", [])]


def pairs(entries: list[dict[str, str]]) -> dict[str, str]:
    return {entry["key"]: entry["value"] for entry in entries}


def tracker(digest: str = "d" * 64) -> Any:
    return open_tracker("train_policy", digest, "psgpo/seed3", PARAMETERS)


class UnreliableProxy:
    """Passes requests on to a server as long as `mode` is "well".

    "down" closes the connection at once; "mute" passes the request on and then closes the connection unanswered.
    """

    def __init__(self, target: str) -> None:
        self.mode, proxy = "well", self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                if proxy.mode == "down":
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(target + self.path, body or None, method=self.command)
                request.add_header("Content-Type", self.headers.get("Content-Type") or "application/json")
                try:
                    with urlopen(request) as answer:
                        status, data = answer.status, answer.read()
                except HTTPError as error:
                    status, data = error.code, error.read()
                if proxy.mode == "well":
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)

            do_GET = do_POST = do_PUT = handle_any

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def proxy(tracked: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[UnreliableProxy]:
    """An unreliable way to the server, and a tracker without patience."""
    unreliable = UnreliableProxy(tracked)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", unreliable.address)
    monkeypatch.setattr(mlflow_runs, "DELIVER_EVERY", 0.0)
    monkeypatch.setattr(mlflow_runs, "PATIENCE", 0.3)
    yield unreliable
    unreliable.server.shutdown()


def test_nothing_is_tracked_without_an_address() -> None:
    with tracker() as run:
        assert isinstance(run, NoTracker)


def test_a_run_has_curves_parameters_tags_files_and_its_parent(
    tracked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PSGPO_PARENT_RUN", "parent-run")
    (tmp_path / "page.html").write_text("<p>hello</p>")
    with tracker() as run:
        for step in range(3):
            run.log({"train/loss": 1.0 / (step + 1), "train/broken": float("nan")}, step)
        run.tag({"artifact": "file:///store/x"})
        run.file(tmp_path / "page.html", "report")
    (found,) = runs(tracked)
    assert found["info"]["run_id"] == run.run_id
    assert found["info"]["status"] == "FINISHED"
    assert found["info"]["run_name"] == "psgpo/seed3"
    assert history(tracked, run.run_id, "train/loss") == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    assert history(tracked, run.run_id, "train/broken") == []
    assert pairs(found["data"]["params"])["ppo.steps"] == "40"
    tags = pairs(found["data"]["tags"])
    assert tags["mlflow.parentRunId"] == "parent-run"
    assert (tags["stage"], tags["arm"], tags["seed"]) == ("train_policy", "psgpo", "3")
    assert tags["artifact"] == "file:///store/x"
    listed = MlflowServer(tracked).get("artifacts/list", run_id=run.run_id, path="report")
    assert [entry["path"] for entry in listed["files"]] == ["report/page.html"]


def test_more_points_and_parameters_than_one_call_takes(tracked: str) -> None:
    many = {"section": {f"key{number}": number for number in range(250)}}
    with open_tracker("sft", "e" * 64, "sft", many) as run:
        for step in range(900):
            run.log({"train/loss": float(step), "train/lines": 1.0, "train/kl": 0.5}, step)
    assert [step for step, _ in history(tracked, run.run_id, "train/loss")] == list(range(900))
    (found,) = runs(tracked)
    assert len(found["data"]["params"]) == 250


@pytest.mark.parametrize(
    ("error", "status"),
    [(TryAgain("stopped"), "KILLED"), (BadInput("key", "is bad"), "FAILED"), (MemoryError(), "FAILED")],
)
def test_how_a_stage_ends_is_the_status_of_its_run(tracked: str, error: Exception, status: str) -> None:
    with pytest.raises(type(error)), tracker():
        raise error
    (found,) = runs(tracked)
    assert found["info"]["status"] == status
    if isinstance(error, BadInput):
        assert "key: is bad" in pairs(found["data"]["tags"])["mlflow.note.content"]


def log_and_be_stopped(steps: range) -> Any:
    with suppress(TryAgain), tracker() as run:
        for step in steps:
            run.log({"train/loss": float(step)}, step)
        raise TryAgain("stopped")
    return run


def test_an_interrupted_run_goes_on_without_repeating_steps(tracked: str) -> None:
    first = log_and_be_stopped(range(6))
    with tracker() as second:
        for step in range(4, 9):  # from the last checkpoint: 4 and 5 again
            second.log({"train/loss": float(step)}, step)
    assert second.run_id == first.run_id
    assert history(tracked, first.run_id, "train/loss") == [(step, float(step)) for step in range(9)]
    (found,) = runs(tracked)
    assert found["info"]["status"] == "FINISHED"


def test_another_digest_or_another_parent_is_another_run(
    tracked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tracker("1" * 64), tracker("2" * 64):
        pass
    monkeypatch.setenv("PSGPO_PARENT_RUN", "parent-run")
    with tracker("1" * 64):
        pass
    assert len(runs(tracked)) == 3


def test_sigkill_loses_no_points(tracked: str, tmp_path: Path) -> None:
    script = (
        "from tasks.tracking.runs import open_tracker\n"
        f"with open_tracker('train_policy', {'d' * 64!r}, 'psgpo/seed3', {PARAMETERS!r}) as run:\n"
        "    for step in range(50):\n"
        "        run.log({'train/loss': float(step)}, step)\n"
        "    print('logged', flush=True)\n"
        "    input()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "logged\n"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    with tracker() as run:
        run.log({"train/loss": 50.0}, 50)
    assert [step for step, _ in history(tracked, run.run_id, "train/loss")] == list(range(51))


def test_a_server_that_goes_down_and_comes_back(proxy: UnreliableProxy, tracked: str) -> None:
    with tracker() as run:
        run.log({"train/loss": 0.0}, 0)
        proxy.mode = "down"
        for step in range(1, 5):
            run.log({"train/loss": float(step)}, step)
        proxy.mode = "well"
        for step in range(5, 8):
            run.log({"train/loss": float(step)}, step)
    assert [step for step, _ in history(tracked, run.run_id, "train/loss")] == list(range(8))


def test_answers_lost_on_the_way_make_no_second_points_or_runs(proxy: UnreliableProxy, tracked: str) -> None:
    with tracker() as run:
        run.log({"train/loss": 0.0}, 0)
        proxy.mode = "mute"
        run.log({"train/loss": 1.0}, 1)
        time.sleep(0.05)
        proxy.mode = "well"
        run.log({"train/loss": 2.0}, 2)
    assert [step for step, _ in history(tracked, run.run_id, "train/loss")] == [0, 1, 2]
    proxy.mode = "mute"
    with tracker("f" * 64) as unanswered:  # the server opens the run, the tracker never hears of it
        unanswered.log({"train/loss": 1.0}, 1)
    proxy.mode = "well"
    with tracker("f" * 64):
        pass
    assert len(runs(tracked)) == 2


def test_a_server_down_for_good_stops_nothing_and_the_next_stage_delivers(
    proxy: UnreliableProxy, tracked: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "page.html").write_text("<p>hello</p>")
    proxy.mode = "down"
    with tracker("1" * 64) as run:
        run.log({"train/loss": 1.0}, 1)
        run.file(tmp_path / "page.html")
    assert run.run_id == ""
    assert "undelivered entries wait" in capfd.readouterr().err
    assert runs(tracked) == []
    proxy.mode = "well"
    with tracker("2" * 64):
        pass
    (late,) = [r for r in runs(tracked) if pairs(r["data"]["tags"])["psgpo.digest"] == "1" * 64]
    assert history(tracked, late["info"]["run_id"], "train/loss") == [(1, 1.0)]
    assert late["info"]["status"] == "FINISHED"
    assert not list((tmp_path / "cache").rglob("run.json"))


def test_a_refusal_at_the_start_is_bad_input_without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(403, "Invalid Host header")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:hunter2@127.0.0.1:{server.server_port}")
    with pytest.raises(BadInput, match="MLFLOW_TRACKING_URI") as refused, tracker():
        pass
    server.shutdown()
    assert "403" in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("address", ["sqlite:///x.db", "mlruns", "http://"])
def test_only_servers_are_spoken_to(address: str) -> None:
    with pytest.raises(BadInput, match="MLFLOW_TRACKING_URI"):
        MlflowServer(address)


def test_a_name_the_server_would_refuse_is_a_programming_error(tracked: str) -> None:
    with pytest.raises(ValueError, match="pass@1"), tracker() as run:
        run.log({"eval/pass@1": 0.5})


def test_opening_a_run_does_not_import_mlflow() -> None:
    code = (
        "import sys, tasks.tracking.mlflow_runs; print(any(m.split('.')[0] == 'mlflow' for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
