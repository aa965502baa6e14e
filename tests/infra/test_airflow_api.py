"""What the demo asks Airflow for, it gets whole."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from infra.local.airflow_api import AirflowApi
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
