"""Run a DAG with `dag.test()`, once per scenario; prints a line `RESULT NAME JSON` for each.

    python run_pipeline.py '{"NAME": ["DAG", RUN_CONF], ...}'

`{sft}` in a conf stands for the address of the SFT model that the first scenario made, `{sft_folder}` for its folder.

A program of its own, because Airflow reads its configuration (environment variables) when it is imported first.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any
from urllib.request import urlopen

from airflow.dag_processing.dagbag import DagBag
from airflow.models.xcom import XComModel
from airflow.settings import Session
from airflow.utils.db import initdb


def main(scenarios: dict[str, tuple[str, dict[str, Any]]]) -> None:
    initdb()
    wait_for_mlflow()
    dags = DagBag().dags
    sft = ""
    for name, (dag, conf) in scenarios.items():
        conf = json.loads(
            json.dumps(conf).replace("{sft}", sft).replace("{sft_folder}", sft[len("file://") :])
        )
        result = outcome(dags[dag].test(run_conf=conf))
        sft = sft or next((env["artifact"] for task, _, env in result["envelopes"] if task == "sft"), "")
        print(f"\nRESULT {name} {json.dumps(result)}", flush=True)


def outcome(run: Any) -> dict[str, Any]:
    """State of the run and of every task instance, and every task's return value."""
    with Session() as session:
        rows = session.scalars(
            XComModel.get_many(run_id=run.run_id, key="return_value", dag_ids=run.dag_id)
        ).all()
        envelopes = [[row.task_id, row.map_index, XComModel.deserialize_value(row)] for row in rows]
        states = {f"{ti.task_id}/{ti.map_index}": ti.state for ti in run.get_task_instances(session=session)}
    return {"state": run.state, "states": states, "envelopes": envelopes}


def wait_for_mlflow() -> None:
    for _ in range(300):
        try:
            with urlopen(f"{os.environ['MLFLOW_TRACKING_URI']}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise SystemExit("MLflow does not answer")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
