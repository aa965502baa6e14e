"""Messages about runs that failed or are late: one per run, to a webhook, by e-mail, or both.

Two connections say where to; without them nothing is sent.

psgpo_notice_webhook  `https://HOST/PATH`: is sent JSON; chats show its `text`
psgpo_notice_email    `smtp://USER:PASSWORD@HOST:587/?to=A&from_email=B&disable_ssl=true`: a server of Airflow's SMTP hook

A task that fails leaves its cause behind (an XCom), because what Airflow runs for a failed run does not know it.

What Airflow 3.3 runs for a late run holds a token that opens no connection of its database (apache/airflow#66141, mended
later): late runs are told of through connections that stand in the scheduler's environment.
"""

from __future__ import annotations

import html
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from airflow.sdk import BaseNotifier, Connection, DeadlineAlert, DeadlineReference, SyncCallback
from airflow.sdk.exceptions import AirflowNotFoundException, AirflowSecretsBackendAccessDenied

WEBHOOK, EMAIL = "psgpo_notice_webhook", "psgpo_notice_email"
CAUSE, _BLAMED = "cause", "blamed"
_MOST_LETTERS = 1000
_TIMEOUT_SECONDS = 20
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Message:
    """What happened to a run, where, why, and where to read on."""

    event: str
    dag: str
    run: str
    task: str
    cause: str
    log: str

    @property
    def subject(self) -> str:
        return f"{self.dag} {self.event}: {self.task or self.run}"

    @property
    def text(self) -> str:
        lines = [f"{self.dag} {self.event}", f"run: {self.run}", f"task: {self.task}", f"cause: {self.cause}"]
        return "\n".join(line for line in [*lines, f"log: {self.log}"] if not line.endswith(": "))


class FailureNotice(BaseNotifier):
    """For a DAG's `on_failure_callback`: Airflow calls it once when the run has failed, however many tasks did."""

    def notify(self, context: Any) -> None:
        send(failure(context))


class LateNotice(BaseNotifier):
    """For a DAG's deadline; the run goes on."""

    def notify(self, context: Any) -> None:
        send(late(context))


def notices(deadline: timedelta) -> dict[str, Any]:
    """Arguments of a DAG: it tells when a run has failed, and when one is not done after `deadline`."""
    # Seconds, because with a timedelta Airflow 3.3 answers 500 when a run is cleared (apache/airflow#70368).
    seconds: Any = deadline.total_seconds()
    alert = DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, seconds, SyncCallback(LateNotice))
    return {"on_failure_callback": FailureNotice(), "deadline": alert}


def remember_cause(context: Any) -> None:
    """For a task's `on_failure_callback`. A task whose process was killed has no exception to remember."""
    lines = str(context.get("exception") or "").strip().splitlines()
    if lines:
        context["ti"].xcom_push(key=CAUSE, value=lines[0][:_MOST_LETTERS])


@dataclass(frozen=True)
class Failed:
    """A failed task; `map_index` is -1 for one that is not mapped, `cause` is empty where it left none."""

    task_id: str
    map_index: int
    cause: str

    @property
    def name(self) -> str:
        return f"{self.task_id}[{self.map_index}]" if self.map_index >= 0 else self.task_id

    def __str__(self) -> str:
        return f"{self.name}: {self.cause}" if self.cause else self.name


def blame(ti: Any, failed: Failed) -> None:
    """Leave behind, in a task that fails because another one did, which one that was."""
    ti.xcom_push(key=_BLAMED, value=asdict(failed))


def failure(context: Mapping[str, Any]) -> Message:
    """About a run that has failed; without a task when none of them is to blame (a deadlock, a timeout of the run)."""
    ti, reason = context.get("ti"), str(context.get("reason", ""))
    dag_id, run_id = context["dag"].dag_id, context["run_id"]
    if ti is None:
        return Message("failed", dag_id, run_id, "", reason, "")
    failed, log = Failed(ti.task_id, -1 if ti.map_index is None else ti.map_index, ""), ti.log_url
    with suppress(Exception):  # a message without its cause is better than none
        if blamed := ti.xcom_pull(key=_BLAMED, task_ids=ti.task_id, map_indexes=ti.map_index):
            failed = Failed(**blamed)
            log = f"{_page({'dag_id': dag_id, 'dag_run_id': run_id})}/{_place(failed)}"
        elif told := ti.xcom_pull(key=CAUSE, task_ids=ti.task_id, map_indexes=ti.map_index):
            failed = replace(failed, cause=told)
    cause = failed.cause or f"{reason}; what the task said of it is in its log, if anything"
    return Message("failed", dag_id, run_id, failed.name, cause, log)


def late(context: Mapping[str, Any]) -> Message:
    """About a run that goes on past its deadline. Of the context there is less here: no task, no DAG."""
    run = context["dag_run"]
    deadline = str(context["deadline"]["deadline_time"])[:16].replace("T", " ")  # a time, or one as text
    cause = f"it was to be done by {deadline} UTC and goes on"
    return Message("is late", run["dag_id"], run["dag_run_id"], "", cause, _page(run))


def send(message: Message) -> None:
    """To all that are configured; the first that cannot be reached is raised, after the others had their turn."""
    troubles = []
    for name, deliver in ((WEBHOOK, _post), (EMAIL, _mail)):
        try:
            connection = Connection.get(name)
        except AirflowNotFoundException:
            continue
        except AirflowSecretsBackendAccessDenied:
            _LOG.warning("%s cannot be read here: set AIRFLOW_CONN_%s for the scheduler", name, name.upper())
            continue
        try:
            deliver(connection, message)
        except Exception as trouble:  # a mail server's and a chat's: many kinds
            troubles.append(f"{name}: {type(trouble).__name__}: {trouble}")
    if troubles:
        raise RuntimeError("; ".join(troubles))


def _post(connection: Connection, message: Message) -> None:
    port = f":{connection.port}" if connection.port else ""
    query = f"?{urlencode(connection.extra_dejson)}" if connection.extra_dejson else ""
    address = f"{connection.conn_type}://{connection.host}{port}/{connection.schema or ''}{query}"
    body = json.dumps({"text": message.text, **asdict(message)}).encode()
    request = Request(address, body, {"Content-Type": "application/json"})  # noqa: S310 - the deployment's own
    urlopen(request, timeout=_TIMEOUT_SECONDS).close()  # noqa: S310


def _mail(connection: Connection, message: Message) -> None:
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    page = html.escape(message.text).replace("\n", "<br>")
    with SmtpHook(connection.conn_id) as server:
        server.send_email_smtp(to=connection.extra_dejson["to"], subject=message.subject, html_content=page)


def _place(failed: Failed) -> str:
    """Of its page below the run's."""
    return f"tasks/{failed.task_id}" + (f"/mapped/{failed.map_index}" if failed.map_index >= 0 else "")


def _page(run: Mapping[str, Any]) -> str:
    from airflow.sdk.configuration import conf

    base = conf.get("api", "base_url", fallback="http://localhost:8080").rstrip("/")
    return f"{base}/dags/{run['dag_id']}/runs/{quote(run['dag_run_id'], safe='')}"
