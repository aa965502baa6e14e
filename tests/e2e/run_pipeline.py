"""Start the embedded stack and run scenarios in it, as its users would: through Airflow's REST interface.

    python run_pipeline.py STATE AIRFLOW_PORT MLFLOW_PORT '{"NAME": ["DAG", RUN_CONF], ...}'

prints a line `READY` when the stack is up, and a line `RESULT NAME JSON` for each scenario that has ended.

Those before `smoke` are begun with it, those after it together when it has ended; a DAG runs one at a time.
`{sft}` in a conf stands for the address of the SFT model that `smoke` made, `{sft_folder}` for its folder.

A program of its own, because it goes on while other tests run.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from infra.local.airflow_api import AirflowApi, AirflowError
from infra.local.settings import Settings
from infra.local.stack import up

FIRST = "smoke"
Scenarios = Mapping[str, tuple[str, dict[str, Any]]]


def main(settings: Settings, scenarios: Scenarios) -> None:
    api = up(settings, print)
    while not all(api.has_dag(dag) for dag, _ in scenarios.values()):
        time.sleep(0.5)
    print("READY", flush=True)
    names = list(scenarios)
    early, late = names[: names.index(FIRST) + 1], names[names.index(FIRST) + 1 :]
    for name in early:
        dag, conf = scenarios[name]
        api.trigger(dag, name, conf)
    results = {name: told(api, name, scenarios[name][0]) for name in early}
    sft = next(env["artifact"] for task, _, env in results[FIRST]["envelopes"] if task == "sft")
    for name in late:
        dag, conf = scenarios[name]
        filled = json.dumps(conf).replace("{sft}", sft).replace("{sft_folder}", sft[len("file://") :])
        api.trigger(dag, name, json.loads(filled))
    for name in late:
        told(api, name, scenarios[name][0])


def told(api: AirflowApi, name: str, dag: str) -> dict[str, Any]:
    """Waits for the run's end; its outcome, printed as well."""
    wait(api, dag, name)
    result = outcome(api, dag, name)
    print(f"RESULT {name} {json.dumps(result)}", flush=True)
    return result


def wait(api: AirflowApi, dag: str, run_id: str) -> None:
    while api.run(dag, run_id)["state"] not in ("success", "failed"):
        time.sleep(1)


def outcome(api: AirflowApi, dag: str, run_id: str) -> dict[str, Any]:
    """State of the run and of every task instance, and every task's return value."""
    instances = api.task_instances(dag, run_id)
    envelopes = []
    for one in instances:
        if one["state"] == "success":
            with suppress(AirflowError):  # it returned nothing
                value = api.xcom(dag, run_id, one["task_id"], one["map_index"])
                envelopes.append([one["task_id"], one["map_index"], value])
    states = {f"{one['task_id']}/{one['map_index']}": one["state"] for one in instances}
    return {"state": api.run(dag, run_id)["state"], "states": states, "envelopes": envelopes}


if __name__ == "__main__":
    state, airflow_port, mlflow_port, given = sys.argv[1:]
    main(Settings(Path(state), int(airflow_port), int(mlflow_port)), json.loads(given))
