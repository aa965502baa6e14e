"""A run that fails or is late is told of once, where somebody reads it: real servers take the messages."""

from __future__ import annotations

import email
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from email import policy
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from types import SimpleNamespace
from typing import Any

import pytest

from tests.dags.serving import serving

DENIED = "denied"
LOG = "http://airflow/dags/psgpo_train/runs/night/tasks/sft?try_number=3"


class Chat(BaseHTTPRequestHandler):
    """Takes every post."""

    taken: list[tuple[str, Any]]

    def do_POST(self) -> None:
        self.taken.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


class MailServer(StreamRequestHandler):
    """As much of SMTP as a client needs to hand over its letters."""

    taken: list[tuple[list[str], Any]]

    def handle(self) -> None:
        self._say("220 here")
        to: list[str] = []
        while line := self.rfile.readline().decode().strip():
            word = line.split()[0].upper()
            if word == "RCPT":
                to.append(line.partition(":")[2].strip("<> "))
            if word == "DATA":
                self._say("354 go on")
                rows = iter(self.rfile.readline, b".\r\n")
                self.taken.append((to, email.message_from_bytes(b"".join(rows), policy=policy.default)))
            self._say("221 bye" if word == "QUIT" else "250 yes")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    taken: list[Any] = []
    with serving(type("Handler", (Chat,), {"taken": taken})) as address:
        monkeypatch.setenv(
            "AIRFLOW_CONN_PSGPO_NOTICE_WEBHOOK", f"http://{address}/services/T0/secret?thread=7"
        )
        yield taken


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    taken: list[Any] = []
    with serving(type("Handler", (MailServer,), {"taken": taken}), ThreadingTCPServer) as address:
        extra = "to=team%40lab.org&from_email=airflow%40lab.org&disable_ssl=true&disable_tls=true"
        monkeypatch.setenv("AIRFLOW_CONN_PSGPO_NOTICE_EMAIL", f"smtp://{address}/?{extra}")
        yield taken


@pytest.fixture(autouse=True)
def _only_what_a_test_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections come from the environment here; one that is not there is not there."""
    import os

    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException, AirflowSecretsBackendAccessDenied

    def get(name: str) -> Connection:
        uri = os.environ.get(f"AIRFLOW_CONN_{name.upper()}")
        if uri is None:
            raise AirflowNotFoundException(name)
        if uri == DENIED:
            raise AirflowSecretsBackendAccessDenied(name)
        return Connection.from_uri(uri, conn_id=name)

    monkeypatch.setattr(Connection, "get", get)


class Task(SimpleNamespace):
    """A failed task of a run, and what it left behind."""

    def __init__(self, map_index: int = -1) -> None:
        super().__init__(task_id="sft", map_index=map_index, log_url=LOG, left={})

    def xcom_push(self, key: str, value: str) -> None:
        self.left[key] = value

    def xcom_pull(self, key: str, task_ids: str, map_indexes: int) -> Any:
        assert (task_ids, map_indexes) == (self.task_id, self.map_index)
        return self.left.get(key)


def failed_run(task: Task | None) -> dict[str, Any]:
    from airflow.sdk import DAG

    about = {"dag": DAG("psgpo_train", schedule=None), "run_id": "night", "reason": "task_failure"}
    return about if task is None else {**about, "ti": task}


def test_one_message_with_cause_task_and_log_goes_to_both(chat: list[Any], letters: list[Any]) -> None:
    from dags.notices import FailureNotice, remember_cause

    task = Task()
    remember_cause({"ti": task, "exception": ValueError("sft: <out> of memory\nand a traceback")})
    FailureNotice()(failed_run(task))
    ((path, posted),) = chat
    assert path == "/services/T0/secret?thread=7"
    assert posted["text"] == (
        f"psgpo_train failed\nrun: night\ntask: sft\ncause: sft: <out> of memory\nlog: {LOG}"
    )
    assert {name: posted[name] for name in ("dag", "run", "task", "log")} == {
        "dag": "psgpo_train",
        "run": "night",
        "task": "sft",
        "log": LOG,
    }
    (((to,), letter),) = letters
    assert to == letter["To"] == "team@lab.org"
    assert (letter["From"], letter["Subject"]) == ("airflow@lab.org", "psgpo_train failed: sft")
    body = letter.get_body(("html",)).get_content()
    assert "&lt;out&gt; of memory<br>" in body
    assert LOG in body


def test_without_connections_nothing_is_sent() -> None:
    from dags.notices import FailureNotice

    FailureNotice()(failed_run(Task()))  # nobody listens, and nothing is wrong


def test_one_that_cannot_be_reached_is_named_and_the_other_gets_it(
    letters: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dags.notices import FailureNotice

    monkeypatch.setenv("AIRFLOW_CONN_PSGPO_NOTICE_WEBHOOK", "http://127.0.0.1:9/secret-path")
    with pytest.raises(RuntimeError, match=r"psgpo_notice_webhook: URLError: .*refused") as raised:
        FailureNotice()(failed_run(Task()))
    assert "secret-path" not in str(raised.value)
    assert len(letters) == 1


def test_a_mapped_task_is_told_by_its_index_and_a_killed_one_without_cause(chat: list[Any]) -> None:
    from dags.notices import FailureNotice, remember_cause

    task = Task(map_index=0)
    remember_cause({"ti": task})  # no exception: it was killed
    assert task.left == {}
    FailureNotice()(failed_run(task))
    assert chat[0][1]["task"] == "sft[0]"
    assert chat[0][1]["cause"] == "task_failure; what the task said of it is in its log, if anything"


def test_a_task_that_failed_with_its_run_names_the_one_to_blame(chat: list[Any]) -> None:
    from dags.notices import Failed, FailureNotice, blame

    task = Task()
    blame(task, Failed("arms.evaluate", 2, "evaluate: no such artifact"))
    FailureNotice()(failed_run(task))
    told = chat[0][1]
    assert (told["task"], told["cause"]) == ("arms.evaluate[2]", "evaluate: no such artifact")
    assert told["log"].endswith("/dags/psgpo_train/runs/night/tasks/arms.evaluate/mapped/2")


def test_a_message_goes_out_when_its_cause_cannot_be_asked_for(
    chat: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dags.notices import FailureNotice

    def broken(*_: Any, **__: Any) -> Any:
        raise OSError("no answer")

    monkeypatch.setattr(Task, "xcom_pull", broken)
    FailureNotice()(failed_run(Task()))
    assert chat[0][1]["log"] == LOG


def test_a_run_without_a_task_to_blame_says_why(chat: list[Any]) -> None:
    from dags.notices import FailureNotice

    FailureNotice()({**failed_run(None), "reason": "all_tasks_deadlocked"})
    assert chat[0][1]["text"] == "psgpo_train failed\nrun: night\ncause: all_tasks_deadlocked"


@pytest.mark.parametrize(
    "time", [datetime(2026, 11, 21, 2, 30, tzinfo=UTC), "2026-11-21T02:30:00Z", "2026-11-21 02:30:00+00:00"]
)
def test_a_late_run_is_told_of_with_its_page(
    time: Any, chat: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dags.notices import LateNotice

    run = {"dag_id": "psgpo_train", "dag_run_id": "manual__2026-11-21T00:00:00+00:00"}
    LateNotice(context={})({"dag_run": run, "deadline": {"id": "1", "deadline_time": time}})
    posted = chat[0][1]
    assert posted["cause"] == "it was to be done by 2026-11-21 02:30 UTC and goes on"
    assert posted["log"].endswith("/dags/psgpo_train/runs/manual__2026-11-21T00%3A00%3A00%2B00%3A00")


def test_what_airflow_runs_for_a_missed_deadline_sends_it(dags: dict[str, Any], chat: list[Any]) -> None:
    from airflow.sdk.execution_time.callback_supervisor import execute_callback
    from structlog import get_logger

    (alert,) = dags["psgpo_train"].deadline
    run = {"dag_id": "psgpo_train", "dag_run_id": "night"}
    context = {"dag_run": run, "deadline": {"id": "1", "deadline_time": "2026-11-21T02:30:00Z"}}
    done = execute_callback(alert.callback.path, {"context": context}, "psgpo_train.py", None, get_logger())
    assert done == (True, None)
    assert [message["event"] for _, message in chat] == ["is late"]


def test_a_connection_that_may_not_be_read_stops_no_other(
    letters: list[Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from dags.notices import Message, send

    monkeypatch.setenv("AIRFLOW_CONN_PSGPO_NOTICE_WEBHOOK", DENIED)
    send(Message("is late", "psgpo_train", "night", "", "it goes on", ""))
    assert len(letters) == 1
    assert "set AIRFLOW_CONN_PSGPO_NOTICE_WEBHOOK for the scheduler" in caplog.text


def test_what_airflow_runs_for_a_failed_run_sends_it(chat: list[Any]) -> None:
    from airflow.callbacks.callback_requests import DagCallbackRequest
    from airflow.dag_processing.dagbag import DagBag
    from airflow.dag_processing.processor import _execute_dag_callbacks
    from structlog import get_logger

    where = Path(__file__).resolve().parents[2] / "dags" / "psgpo_maintain.py"
    request = DagCallbackRequest(
        filepath=where.name,
        bundle_name="dags-folder",
        bundle_version=None,
        dag_id="psgpo_maintain",
        run_id="night",
        msg="timed_out",
    )
    _execute_dag_callbacks(DagBag(str(where)), request, get_logger())
    assert [message["text"] for _, message in chat] == ["psgpo_maintain failed\nrun: night\ncause: timed_out"]


def test_every_dag_tells_of_failed_and_late_runs_and_no_task_tells_by_itself(dags: dict[str, Any]) -> None:
    """A message per failed run: tasks only leave their cause."""
    from dags.notices import FailureNotice, remember_cause

    for dag in dags.values():
        callbacks = dag.on_failure_callback
        assert [type(one) for one in (callbacks if isinstance(callbacks, list) else [callbacks])] == [
            FailureNotice
        ]
        (alert,) = dag.deadline
        assert alert.callback.path == "dags.notices.LateNotice"
        assert isinstance(alert.interval, float)  # else the run cannot be cleared
        for task in dag.tasks:
            found = task.partial_kwargs if task.is_mapped else vars(task)
            left = found["on_failure_callback"]
            assert list(left if isinstance(left, (list, tuple)) else [left]) == [remember_cause]
