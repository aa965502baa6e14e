"""Take the pictures of `docs/guide.md`: `python -m infra.screenshots [--run RUN] [--folder docs/images]`.

From the stack that is running (`make up`) and its last finished run of `psgpo_train`, or the one named.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local import browser
from infra.local.environment import admin_password
from infra.local.settings import ROOT, Settings, read_settings
from infra.local.stack import login

if TYPE_CHECKING:
    from playwright.sync_api import Page

DAG = "psgpo_train"
_VIEW = "?workflowType=machine_learning"
SETTLING_MS = 6_000
"""Airflow's and MLflow's pages go on drawing after they have loaded."""


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.screenshots", description=__doc__)
    parser.add_argument("--run", help="id of a finished run; without it the last one")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "images")
    arguments = parser.parse_args(argv)
    settings = read_settings()
    api = login(settings)
    run_id = arguments.run or api.run_ids(DAG)[0]
    plan = api.xcom(DAG, run_id, "plan")
    report, gate = (api.xcom(DAG, run_id, task)["mlflow_run_id"] for task in ("report", "validate_problems"))
    with browser.opened(settings.airflow_uri, admin_password(settings), width=1300, height=820) as page:
        for name, address in _addresses(settings, run_id, plan, report, gate).items():
            page.goto("about:blank")  # MLflow's pages differ behind the # only, which loads nothing
            page.goto(address)
            _shoot(page, name, arguments.folder)
        form = browser.open_form(page, settings.airflow_uri)
        form.get_by_role("button", name="Arms and seeds").click()
        _shoot(page, "form", arguments.folder)
    return 0


def _addresses(
    settings: Settings, run_id: str, plan: Mapping[str, str], report: str, gate: str
) -> dict[str, str]:
    """Airflow's pages of the run and of a cell, and pages that stages left in their MLflow runs."""
    runs, view = f"{settings.mlflow_uri}/#/experiments/{plan['experiment_id']}/runs", _VIEW
    in_airflow = f"{settings.airflow_uri}/dags/{DAG}/runs/{run_id}"
    return {
        "grid": in_airflow,
        "cell": f"{in_airflow}/tasks/arms.train_policy/mapped/0/details",
        "data-docs": f"{runs}/{gate}/artifacts/validation/data_docs/index.html{view}",
        "report": f"{runs}/{report}/artifacts/report/report.html{view}",
        "across-seeds": f"{runs}/{report}/artifacts/report/across_seeds.html{view}",
    }


def _shoot(page: Page, name: str, folder: Path) -> None:
    page.wait_for_timeout(SETTLING_MS)
    path = folder / f"guide-{name}.png"
    page.screenshot(path=path)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
