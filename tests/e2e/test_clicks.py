"""What a person does with a real browser: fill in the form, follow a cell to MLflow, open report and Data Docs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from infra.local import browser
from infra.local.airflow_api import AirflowApi
from infra.local.settings import Settings
from tasks.tracking.server import MlflowServer
from tests.e2e.form import SMALL, choose, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import FrameLocator, Page

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(bool(browser.missing()), reason=browser.missing())]

DAG = "psgpo_train"
NEW_CELL = 1
"""Map index of `rl/seed1`; seed 0 was trained before."""


def test_what_was_clicked_is_the_runs_conf_and_the_rest_is_left_empty(
    api: AirflowApi, small_run: str
) -> None:
    conf = api.run(DAG, small_run)["conf"]
    given = {name: value for name, value in conf.items() if value not in (None, "profile", "", [])}
    assert given == SMALL


def test_the_link_of_a_running_cell_leads_to_its_run(
    page: Page, settings: Settings, api: AirflowApi, small_run: str
) -> None:
    running = wait_for(lambda: link_while_running(api, small_run))
    with followed(page, settings, small_run, f"arms.train_policy/mapped/{NEW_CELL}", "MLflow run") as opened:
        opened.get_by_text("train_policy rl/seed1").first.wait_for()
        address = opened.url
    assert address.split("?")[0] == running.split("?")[0]
    run = MlflowServer(settings.mlflow_uri).get("runs/get", run_id=address.split("/runs/")[1].split("?")[0])
    tags = {tag["key"]: tag["value"] for tag in run["run"]["data"]["tags"]}
    plan = api.xcom(DAG, small_run, "plan")
    assert run["run"]["info"]["run_name"] == "train_policy rl/seed1"
    assert tags["mlflow.parentRunId"] == plan["parent_run_id"]
    assert (tags["arm"], tags["seed"]) == ("rl", "1")


def test_data_docs_tell_what_was_expected(
    page: Page, settings: Settings, small_run: str, without_prm: dict[str, Any]
) -> None:
    assert without_prm["state"] == "success"
    with followed(page, settings, small_run, "validate_problems", "Data Docs") as opened:
        assert "expectations" in shown(opened).locator("body").inner_text()


def test_the_report_opens_from_its_task(
    page: Page, settings: Settings, small_run: str, without_prm: dict[str, Any]
) -> None:
    assert without_prm["state"] == "success"
    with followed(page, settings, small_run, "report", "Report") as opened:
        text = shown(opened).locator("body").inner_text()
    assert "rl has the highest pass@1" in text
    assert "rl/seed1" in text


def test_a_pasted_path_is_evaluated(
    page: Page, settings: Settings, api: AirflowApi, without_prm: dict[str, Any]
) -> None:
    """As far as the plan: the rest is the scenario `evaluate`."""
    envelopes = [found for found in without_prm["envelopes"] if isinstance(found[2], dict)]
    artifacts = {task: one["artifact"] for task, _, one in envelopes if "artifact" in one}
    folder = artifacts["sft"].removeprefix("file://")
    before = set(api.run_ids("psgpo_evaluate"))
    form = browser.open_form(page, settings.airflow_uri, "psgpo_evaluate")
    form.get_by_role("button", name="What to evaluate").click()
    form.locator("#element_compare_models").fill(folder)
    choose(form, "compare_benchmarks", "StepCode")
    form.get_by_role("button", name="Trigger").click()
    run_id = wait_for(lambda: next(iter(set(api.run_ids("psgpo_evaluate")) - before), None))
    plan = wait_for(lambda: returned(api, run_id, "plan"))
    api._call("PATCH", f"/api/v2/dags/psgpo_evaluate/dagRuns/{quote(run_id, safe='')}", {"state": "failed"})
    ended = wait_for(
        lambda: next(iter({api.run("psgpo_evaluate", run_id)["state"]} & {"success", "failed"}), None)
    )
    assert ended == "failed"
    champion, given = plan["models"]
    assert champion["label"] == "champion"
    assert given["settings"]["model.source"] == folder
    assert [one["label"] for one in plan["benchmarks"]] == ["stepcode"]


def returned(api: AirflowApi, run_id: str, task: str) -> Any:
    """What a task of an evaluation has returned; None before it has."""
    states = {one["task_id"]: one["state"] for one in api.task_instances("psgpo_evaluate", run_id)}
    assert states[task] != "failed"
    return api.xcom("psgpo_evaluate", run_id, task) if states[task] == "success" else None


def link_while_running(api: AirflowApi, run_id: str) -> str | None:
    """Where the new cell's link leads once its MLflow run is open; the cell must not have ended then."""
    instances = api.task_instances(DAG, run_id)
    states = {(one["task_id"], one["map_index"]): one["state"] for one in instances}
    if ("arms.train_policy", NEW_CELL) not in states:
        return None
    path = f"/api/v2/dags/{DAG}/dagRuns/{quote(run_id, safe='')}/taskInstances/arms.train_policy"
    address = api._call("GET", f"{path}/links?map_index={NEW_CELL}")["extra_links"].get("MLflow run") or ""
    assert states["arms.train_policy", NEW_CELL] in (None, "scheduled", "queued", "running")
    return address if "/runs/" in address else None


@contextmanager
def followed(page: Page, settings: Settings, run_id: str, task: str, link: str) -> Iterator[Page]:
    """From the run's page to a task's, and by a link among its details: the page that opens."""
    page.goto(f"{settings.airflow_uri}/dags/{DAG}/runs/{run_id}")
    page.locator(f"a[href$='/runs/{run_id}/tasks/{task}']").first.click()
    page.get_by_role("link", name="Details", exact=True).click()
    with page.expect_popup() as opened:
        page.get_by_role("link", name=link, exact=True).click()
    opened.value.set_default_timeout(browser.PATIENCE_MS)
    yield opened.value
    opened.value.close()


def shown(page: Page) -> FrameLocator:
    """The HTML file that MLflow's page shows."""
    return page.frame_locator("iframe")
