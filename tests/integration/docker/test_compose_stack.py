"""The whole production stack, up from the compose file, and what happens to its jobs when parts of it die.

Ten minutes and more on two cores. Postgres and the store are stand-ins (compose.local.yml); all else is what a team runs.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from infra.local import browser
from infra.local.airflow_api import AirflowApi, AirflowError
from infra.screenshots import SETTLING_MS
from tasks.job_container import JobContainer
from tasks.job_profile import JOB_LABEL, DockerSettings
from tasks.jobs import ContainerCall, role_of
from tests.e2e.form import choose
from tests.integration.docker.conftest import docker_socket, needs_image
from tests.integration.docker.stack import DAG, IMAGES, ComposeStack, compose_command

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

UP_SECONDS, RUN_SECONDS, STEP_SECONDS = 600.0, 1800.0, 300.0
KILLED, CANCELLED = "killed", "cancelled"
TRAINING = "arms.train_policy"
STEPS = 300  # long enough to be killed in, twice
PROGRESS = re.compile(r"progress .*?(\d+)/(\d+) ")


@pytest.fixture(scope="module")
def stack(engine: DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    command = compose_command()
    if command is None:
        pytest.skip("no docker compose on this machine")
    for image in IMAGES:
        needs_image(engine, image)
    stack = ComposeStack(engine, command, tmp_path_factory.mktemp("stack"), docker_socket())
    try:
        stack.up(UP_SECONDS)
        yield stack
    finally:
        stack.down()


OUTSIDE = "1.1.1.1"
WHERE = {
    "postgres": 5432,
    "store": 8333,
    "mlflow": 5000,
    "airflow-api-server": 8080,
    "broker": 2375,
    "sandbox": 8900,
    OUTSIDE: 53,
}
LOOK = f"""
import json, socket
from concurrent.futures import ThreadPoolExecutor
def reached(where):
    try:
        return socket.create_connection(where, timeout=10).close() is None
    except OSError:
        return False
where = {list(WHERE.items())}
with ThreadPoolExecutor(len(where)) as pool:
    print(json.dumps({{host: found for (host, _), found in zip(where, pool.map(reached, where))}}))
"""
OF_AIRFLOW = {"postgres", "mlflow", "airflow-api-server"}
REACHED = {
    "airflow-dag-processor": OF_AIRFLOW,
    "airflow-scheduler": OF_AIRFLOW | {"broker"},
    "airflow-api-server": OF_AIRFLOW
    | {OUTSIDE},  # its network has a way out, so that it can have a port on the host
    "mlflow": OF_AIRFLOW | {OUTSIDE, "store"},
    "broker": {"broker"},
    "sandbox": {"sandbox"},
    "a job": {"store", "mlflow", "sandbox"},
}


def look_around(stack: ComposeStack, who: str) -> set[str]:
    if who != "a job":
        found = json.loads(stack.services()[who].exec_run(["python3", "-c", LOOK]).output)
    else:
        networks = (f"{stack.name}_jobs", f"{stack.name}_programs")
        settings = DockerSettings("psgpo/trainer:0.1.0", networks, stack.name)
        argv = ("python", "-c", LOOK)
        call = ContainerCall(f"{stack.name}-look", argv, {}, 256, 120.0, gpus=0, cpus=1, shm_mb=64)
        job = JobContainer(call, settings)
        found = job.follow(job.submit(), lambda line, at: None).envelope
    return {host for host, reached in found.items() if reached}


@pytest.fixture(scope="module")
def outside(stack: ComposeStack) -> set[str]:
    """The internet, where this machine's containers reach it at all."""
    return look_around(stack, "mlflow") & {OUTSIDE}


@pytest.mark.parametrize("who", REACHED)
def test_a_service_reaches_what_it_needs_and_no_other(
    stack: ComposeStack, outside: set[str], who: str
) -> None:
    assert look_around(stack, who) == REACHED[who] - ({OUTSIDE} - outside)


KEYS = {"AIRFLOW_SECRET_KEY", "AIRFLOW_JWT_SECRET", "AIRFLOW_DB_PASSWORD", "REDIS_PASSWORD"}
KNOWN = {"airflow-dag-processor": KEYS, "airflow-api-server": KEYS, "broker": set(), "sandbox": set()}


def known(stack: ComposeStack, container: Mapping[str, Any]) -> set[str]:
    """Names of the secrets that stand in a container's environment, whatever they are called there."""
    environment = "\n".join(container["Config"]["Env"])
    return {name for name, value in secret_settings(stack).items() if value in environment}


def secret_settings(stack: ComposeStack) -> dict[str, str]:
    found = {name: value for name, value in stack.settings.items() if len(value) == 64}
    assert len(found) > 12
    return found


@pytest.mark.parametrize("service", KNOWN)
def test_a_service_has_the_secrets_it_needs_and_no_other(stack: ComposeStack, service: str) -> None:
    assert known(stack, stack.services()[service].attrs) == KNOWN[service]


@pytest.fixture(scope="module")
def page(stack: ComposeStack) -> Iterator[Page | None]:
    """Airflow's UI in a browser, logged in; None where there is no browser."""
    stack.wait_for_dag()
    if browser.missing():
        yield None
        return
    with browser.opened(stack.airflow_uri, stack.settings["AIRFLOW_ADMIN_PASSWORD"], 1300, 820) as opened:
        yield opened


@dataclass(frozen=True)
class Ended:
    """How a run ended, and every job's container as the engine described it."""

    run_id: str
    state: str
    jobs: list[dict[str, Any]]


@pytest.fixture(scope="module")
def smoke(stack: ComposeStack, page: Page | None) -> Ended:
    """A run of the profile `smoke`: from the form, by clicking; without a browser by REST."""
    if page is None:
        run_id = "smoke"
        stack.airflow.trigger(DAG, run_id, {"profile": "smoke"})
    else:
        run_id = clicked(page, stack)
    seen: dict[str, dict[str, Any]] = {}
    state, _ = stack.follow(run_id, RUN_SECONDS, lambda: look(stack, seen))
    return Ended(run_id, state, list(seen.values()))


def clicked(page: Page, stack: ComposeStack) -> str:
    before = set(stack.airflow.run_ids(DAG))
    form = browser.open_form(page, stack.airflow_uri)
    form.get_by_role("button", name="What to train").click()
    choose(form, "profile", "smoke")
    form.get_by_role("button", name="Trigger").click()
    run_id = wait_for(lambda: next(iter(set(stack.airflow.run_ids(DAG)) - before), None))
    page.goto("about:blank")  # the grid is drawn anew every few seconds
    return run_id


def look(stack: ComposeStack, seen: dict[str, dict[str, Any]]) -> None:
    seen.update(
        {str(job.id): job.attrs for job in stack.jobs(ignore_removed=True) if JOB_LABEL in job.labels}
    )


def test_every_service_is_healthy_or_has_done_its_work(stack: ComposeStack) -> None:
    assert stack.not_ready() == {}
    assert {"postgres", "store", "mlflow", "broker", "sandbox", "airflow-scheduler"} <= set(stack.services())


def test_nobody_comes_in_without_the_password(stack: ComposeStack) -> None:
    with pytest.raises(AirflowError, match="401"):
        AirflowApi(stack.airflow_uri, "admin", "wrong")
    with pytest.raises(HTTPError, match="401"):
        urlopen(f"{stack.mlflow_uri}/api/2.0/mlflow/experiments/get?experiment_id=0", timeout=30)


def test_the_smoke_run_succeeds(stack: ComposeStack, smoke: Ended) -> None:
    assert smoke.state == "success", stack.troubles(smoke.run_id)
    states = {one["state"] for one in stack.airflow.task_instances(DAG, smoke.run_id)}
    assert states <= {"success", "skipped"}
    report = stack.airflow.xcom(DAG, smoke.run_id, "report")
    assert report["artifact"].startswith("s3://psgpo/store/report/")


def test_its_page_shows_its_note_and_a_green_grid(
    stack: ComposeStack, smoke: Ended, page: Page | None, tmp_path: Path
) -> None:
    """The picture of docs/deploy.md is the one that is taken here (`pytest --basetemp FOLDER` keeps it)."""
    note = stack.airflow.run(DAG, smoke.run_id)["note"]
    assert note
    if page is None:
        pytest.skip(browser.missing())
    page.goto(f"{stack.airflow_uri}/dags/{DAG}/runs/{smoke.run_id}")
    page.locator(f"a[href$='/runs/{smoke.run_id}/tasks/promote']").first.wait_for()
    page.wait_for_timeout(SETTLING_MS)
    page.screenshot(path=tmp_path / "grid.png")
    assert "Success" in page.locator("body").inner_text()


def test_its_jobs_were_hardened_containers(stack: ComposeStack, smoke: Ended) -> None:
    jobs = smoke.jobs
    assert len(jobs) > 10
    for job in jobs:
        host = job["HostConfig"]
        assert (host["Privileged"], host["ReadonlyRootfs"], host["CapDrop"]) == (False, True, ["ALL"])
        assert job["Config"]["User"] == "65532:65532"
        assert host["Memory"] == host["MemorySwap"] > 0
        assert set(job["NetworkSettings"]["Networks"]) <= {f"{stack.name}_jobs", f"{stack.name}_programs"}
    assert {job["Image"] for job in jobs} == {stack.engine.images.get("psgpo/trainer:0.1.0").id}


def test_its_jobs_had_the_secrets_of_their_role_and_no_other(stack: ComposeStack, smoke: Ended) -> None:
    roles = {role_of(job["Config"]["Cmd"][3]) for job in smoke.jobs}
    assert len(roles) > 2
    for job in smoke.jobs:
        role = role_of(job["Config"]["Cmd"][3])
        assert known(stack, job) == {"MLFLOW_ADMIN_PASSWORD", f"S3_{role.upper()}_SECRET"}


def test_nothing_of_its_jobs_is_left(stack: ComposeStack, smoke: Ended) -> None:
    assert stack.jobs(all=True) == []


def test_no_secret_is_in_the_logs_of_tasks_and_components(stack: ComposeStack, smoke: Ended) -> None:
    """What is there is found by the same search."""
    scheduler = stack.services()["airflow-scheduler"]

    def count(text: str) -> int:
        found = scheduler.exec_run(["grep", "-rlF", "--", text, "/opt/airflow/logs"])
        return len(found.output.splitlines())

    assert count("python -m tasks train_policy") > 0
    assert [name for name, text in secret_settings(stack).items() if count(text)] == []


def test_no_secret_is_in_airflow_s_database(stack: ComposeStack, smoke: Ended) -> None:
    """There are XComs, rendered templates, variables and connections: all that the UI shows."""
    dump = (
        stack.services()["postgres"]
        .exec_run(["pg_dump", "--username", "postgres", "airflow"])
        .output.decode()
    )
    assert smoke.run_id in dump
    assert "s3://psgpo/store/report/" in dump
    assert [name for name, text in secret_settings(stack).items() if text in dump] == []


@pytest.fixture(scope="module")
def training(stack: ComposeStack, smoke: Ended) -> str:
    """The id of a container that trains, with at least one checkpoint behind it; its run is KILLED."""
    changes = {"arms_arms": ["rl"], "ppo_steps": STEPS, "evaluation_problems": 4}
    stack.airflow.trigger(DAG, KILLED, {"profile": "smoke", **changes})
    container = wait_for(lambda: trainer(stack))
    wait_for(lambda: steps_done(container) > 4)
    return str(container.id)


def test_a_killed_scheduler_finds_its_job_again(stack: ComposeStack, training: str) -> None:
    """Same container, next try of the same task; nothing is submitted twice."""
    scheduler = stack.services()["airflow-scheduler"]
    scheduler.kill()
    time.sleep(5)
    job = stack.engine.containers.get(training)
    assert job.status == "running"
    scheduler.start()
    wait_for(lambda: stack.instance(KILLED, TRAINING)["try_number"] == 2)
    wait_for(lambda: f"container {training[:12]}" in shown(stack))
    job.reload()
    assert job.status == "running"
    assert [one.id for one in stack.jobs(all=True)] == [training]


def test_a_killed_job_is_tried_once_more_and_goes_on_from_its_checkpoint(
    stack: ComposeStack, training: str
) -> None:
    job = stack.engine.containers.get(training)
    done = steps_done(job)
    assert 4 < done < STEPS, "the job was over before it could be killed"
    job.kill()
    fresh = wait_for(lambda: trainer(stack, but=training))
    first = wait_for(lambda: steps_done(fresh, first=True))
    assert first > done - 5  # a checkpoint every two steps, a line every five seconds
    wait_for(lambda: stack.airflow.run(DAG, KILLED)["state"] == "success", RUN_SECONDS)
    assert stack.instance(KILLED, TRAINING)["try_number"] == 3
    assert stack.jobs(all=True) == []


def test_three_tries_are_one_run_in_mlflow_and_no_step_is_there_twice(
    stack: ComposeStack, training: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", stack.settings["MLFLOW_ADMIN_PASSWORD"])
    client = MlflowClient(stack.mlflow_uri)
    plan = stack.airflow.xcom(DAG, KILLED, "plan")
    runs = client.search_runs(
        [plan["experiment_id"]],
        f"tags.mlflow.parentRunId = '{plan['parent_run_id']}' AND attributes.run_name = 'train_policy rl/seed0'",
    )
    assert len(runs) == 1
    steps = [point.step for point in client.get_metric_history(runs[0].info.run_id, "train/reward")]
    assert len(steps) == len(set(steps)) > STEPS / 2


def test_a_cancelled_run_s_container_is_gone_within_30_seconds(stack: ComposeStack) -> None:
    """Marked failed by hand, as the UI does; only the task that concludes the run may come after that."""
    changes = {"arms_arms": ["rl"], "ppo_steps": STEPS + 1, "evaluation_problems": 4}
    stack.airflow.trigger(DAG, CANCELLED, {"profile": "smoke", **changes})
    container = wait_for(lambda: trainer(stack), RUN_SECONDS)
    wait_for(lambda: steps_done(container) > 1)
    stack.airflow._call("PATCH", f"/api/v2/dags/{DAG}/dagRuns/{CANCELLED}", {"state": "failed"})
    wait_for(lambda: trainer(stack) is None, 30.0)
    assert stack.follow(CANCELLED, STEP_SECONDS)[0] == "failed"


PLANNER = f"PSGPO_JOB_ENV_{role_of('plan').upper()}__AWS_SECRET_ACCESS_KEY"
WRONG_IMAGE = {"PSGPO_JOB_IMAGE": "psgpo/trainer:no-such"}
CAUSES: dict[str, tuple[dict[str, dict[str, str]], str]] = {
    "no-image": (
        {"airflow-scheduler": WRONG_IMAGE, "broker": WRONG_IMAGE},
        "PSGPO_JOB_IMAGE: the engine has no image 'psgpo/trainer:no-such'",
    ),
    "no-engine": (
        {"airflow-scheduler": {"DOCKER_HOST": "tcp://broker:9"}, "broker": {}},
        "the container engine at tcp://broker:9 cannot be reached",
    ),
    "no-access": (
        {"airflow-scheduler": {PLANNER: "wrong-secret"}, "broker": {}},
        "plan: store s3://psgpo/store: cannot be written",
    ),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_what_is_set_wrong_is_one_line_in_the_task_s_log(
    stack: ComposeStack, smoke: Ended, cause: str
) -> None:
    """These come last: the services are left with the wrong settings."""
    environment, expected = CAUSES[cause]
    stack.change(environment, UP_SECONDS)
    stack.airflow.trigger(DAG, cause, {"profile": "smoke"})
    assert stack.follow(cause, RUN_SECONDS)[0] == "failed"
    log = stack.task_log(cause, stack.instance(cause, "plan"))
    (line,) = {line for line in log if expected in line}
    assert "\n" not in line
    assert not [line for line in log if "Traceback" in line or "wrong-secret" in line]


def trainer(stack: ComposeStack, but: str = "") -> Container | None:
    found = [
        job for job in stack.jobs(ignore_removed=True) if job.id != but and stage_of(job) == "train_policy"
    ]
    return found[0] if found else None


def stage_of(job: Container) -> str:
    """`python -m tasks STAGE ...`"""
    return str(job.attrs["Config"]["Cmd"][3])


def steps_done(job: Container, *, first: bool = False) -> int:
    """By the last progress line of a job that runs, or the first; 0 before there is one."""
    found = PROGRESS.findall(job.logs(stdout=False).decode(errors="replace"))
    return int(found[0 if first else -1][0]) if found else 0


def shown(stack: ComposeStack) -> str:
    try:
        return "\n".join(stack.task_log(KILLED, stack.instance(KILLED, TRAINING)))
    except AirflowError:
        return ""  # the new try has not written yet


def wait_for(look: Any, patience: float = STEP_SECONDS) -> Any:
    """What `look` returns as soon as it is something."""
    deadline = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < deadline, f"not after {patience:.0f} s"
        time.sleep(0.5)
    return found
