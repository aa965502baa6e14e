"""Run `psgpo_train` once with `dag.test()`; prints the run's state and every task's envelope as one JSON line.

    python run_pipeline.py RUN_CONF_JSON

A program of its own, because Airflow reads its configuration (environment variables) when it is imported first.
"""

from __future__ import annotations

import json
import sys

from airflow.dag_processing.dagbag import DagBag
from airflow.models.xcom import XComModel
from airflow.settings import Session
from airflow.utils.db import initdb


def main(conf: str) -> None:
    initdb()
    bag = DagBag()
    run = bag.dags["psgpo_train"].test(run_conf=json.loads(conf))
    with Session() as session:
        rows = session.scalars(
            XComModel.get_many(run_id=run.run_id, key="return_value", dag_ids=run.dag_id)
        ).all()
        envelopes = [[row.task_id, row.map_index, XComModel.deserialize_value(row)] for row in rows]
        states = {f"{ti.task_id}/{ti.map_index}": ti.state for ti in run.get_task_instances(session=session)}
    print(json.dumps({"state": run.state, "states": states, "envelopes": envelopes}))


if __name__ == "__main__":
    main(sys.argv[1])
