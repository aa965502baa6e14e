"""What the demo asks Airflow for, it gets whole."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from infra.local.airflow_api import AirflowApi, AirflowError
from infra.local.environment import DATABASE_SECONDS, stack_environment
from infra.local.settings import read_settings
from tests.dags.serving import JsonHandler, serving

INSTANCES = [{"task_id": "cell", "map_index": number} for number in range(250)]


class Pages(JsonHandler):
    """Airflow's own way: at most a hundred entries at once, whatever is asked for."""

    def do_POST(self) -> None:
        self.answer({"access_token": "token"})

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        first, count = int(asked.get("offset", ["0"])[0]), min(100, int(asked["limit"][0]))
        self.answer({"task_instances": INSTANCES[first : first + count], "total_entries": len(INSTANCES)})


def test_a_run_of_more_tasks_than_a_page_is_seen_whole() -> None:
    with serving(Pages) as address:
        assert AirflowApi(f"http://{address}", "admin", "secret").task_instances("dag", "run") == INSTANCES


class Locked(JsonHandler):
    """Airflow's database takes the third try; other calls fail for other reasons."""

    tries: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        if self.path == "/auth/token":
            self.answer({"access_token": "token"})
            return
        self.tries.append(self.path)
        broken = self.path.endswith("/broken/dagRuns")
        reason = "Serialization" if broken else "Database error"
        if broken or len(self.tries) < 3:
            self.answer({"detail": {"reason": reason, "statement": "hidden"}}, 500)
        else:
            self.answer({})


def test_what_the_database_has_refused_is_asked_again_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("infra.local.airflow_api.time.sleep", lambda seconds: None)
    with serving(Locked) as address:
        api = AirflowApi(f"http://{address}", "admin", "secret")
        api.trigger("dag", "run", {})
        assert len(Locked.tries) == 3
        with pytest.raises(AirflowError, match="Serialization"):
            api.trigger("broken", "run", {})
    assert len(Locked.tries) == 4


def test_airflow_waits_for_other_processes_to_write(tmp_path: Path) -> None:
    """Control: what Airflow would do by itself."""
    settings = replace(read_settings(), state=tmp_path)
    ask = "from airflow import settings as s; s.initialize(); c = s.engine.raw_connection().cursor(); "
    ask += "print(c.execute('PRAGMA busy_timeout').fetchone()[0])"
    ours = stack_environment(settings)
    theirs = {name: value for name, value in ours.items() if name != "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"}
    waits = [
        int(subprocess.check_output([sys.executable, "-c", ask], env=env, text=True).split()[-1])
        for env in (ours, theirs)
    ]
    assert waits == [1000 * DATABASE_SECONDS, 5000]
